"""``python -m server.test_clock FOLDER SECONDS``: move the clock of a test's database ahead.

Every decision about time asks the database for its clock. In the database of a test, functions of
the clock's names are found before PostgreSQL's own. The server knows nothing of it, and no
setting leads here: only the data directory of ``ayes_client.testing`` is accepted.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import asyncpg

from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError

#: How the folder above a test's data directory begins.
TEST_FOLDER = "ayes-test-"
#: Longest wait for the database.
TIMEOUT_S = 20.0

_INSTALLED = "SELECT to_regclass('test_clock.ahead') IS NOT NULL"
_INSTALL = (
    "CREATE SCHEMA test_clock",
    "CREATE TABLE test_clock.ahead (by interval NOT NULL)",
    "INSERT INTO test_clock.ahead VALUES (interval '0')",
    """CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
       AS 'SELECT pg_catalog.clock_timestamp() + by FROM test_clock.ahead'""",
    """CREATE FUNCTION test_clock.statement_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
       AS 'SELECT pg_catalog.statement_timestamp() + by FROM test_clock.ahead'""",
)
_FIND_IT_FIRST = "ALTER DATABASE {} SET search_path = test_clock, public, pg_catalog"
#: A session keeps the path that it began with.
_END_SESSIONS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()"""


async def advance(url: str, seconds: float) -> None:
    """Move the clock of the database at ``url``; it goes on from there. Raises asyncpg's errors."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url, timeout=TIMEOUT_S)
    try:
        if not await connection.fetchval(_INSTALLED):
            name = await connection.fetchval("SELECT quote_ident(current_database())")
            async with connection.transaction():
                for statement in (*_INSTALL, _FIND_IT_FIRST.format(name)):
                    await connection.execute(statement, timeout=TIMEOUT_S)
            await connection.execute(_END_SESSIONS, timeout=TIMEOUT_S)
        await connection.execute(
            "UPDATE test_clock.ahead SET by = by + make_interval(secs => $1)",
            seconds,
            timeout=TIMEOUT_S,
        )
    finally:
        await connection.close()


def main(arguments: list[str]) -> int:
    """Run the command; return the exit status.

    Raises ``EmbeddedPostgresError`` if no database runs there.
    """
    data_dir, seconds = Path(arguments[0]).absolute(), float(arguments[1])
    if not data_dir.parent.name.startswith(TEST_FOLDER) or seconds < 0:
        sys.stderr.write("only the clock of a test's database is moved, and only ahead\n")
        return 2
    try:
        url = EmbeddedPostgres(data_dir).running_url()
        if url is None:
            raise EmbeddedPostgresError(f"no database runs in {data_dir}")
        asyncio.run(advance(url, seconds))
    except (EmbeddedPostgresError, asyncpg.PostgresError, OSError) as err:
        sys.stderr.write(f"the clock was not moved: {err}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
