"""Whether the database can write now, and how long a COMMIT waits for its disk."""

from __future__ import annotations

import statistics
import time
from typing import Any, Final

import asyncpg

from persistence.database.failures import trouble_of
from server.doctor.finding import Finding, fail, ok, warn

#: COMMITs that are timed; the median counts, since a checkpoint may slow one down.
TIMED_COMMITS: Final = 5
#: Seconds of a COMMIT beyond which the report warns: each batch of votes waits as long.
MAX_COMMIT_S: Final = 0.05
# Makes pages on disk, so that a full one refuses; gone at COMMIT.
_WRITE: Final = """
CREATE TEMPORARY TABLE ayes_doctor ON COMMIT DROP AS
SELECT repeat(md5(n::text), 100) AS text FROM generate_series(1, 100) AS n
"""


async def finding(connection: asyncpg.Connection[Any]) -> Finding:
    """Write a temporary table some times, and return how that went."""
    took: list[float] = []
    try:
        for _ in range(TIMED_COMMITS):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(_WRITE)
            began = time.perf_counter()
            await transaction.commit()
            took.append(time.perf_counter() - began)
    except asyncpg.InsufficientPrivilegeError:
        return ok("writes", "not tried: the role may not make temporary tables")
    except (asyncpg.PostgresError, TimeoutError) as err:
        found = trouble_of(err)
        said = str(err) or "no answer in time"
        return fail("writes", f"{found.fact} ({said})", found.cure)
    median = statistics.median(took)
    fact = f"a COMMIT takes {median * 1_000:.1f} ms"
    if median > MAX_COMMIT_S:
        cure = "look at the disk of its WAL (iostat -x), at other writers, at synchronous standbys"
        return warn("writes", f"{fact}: each batch of votes waits as long", cure)
    return ok("writes", fact)
