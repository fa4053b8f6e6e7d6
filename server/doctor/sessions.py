"""Sessions of the database that hold up a server: locks, forgotten transactions, lost standbys."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import asyncpg

from persistence.database.pool import IDLE_TRANSACTION_TIMEOUT_MS
from persistence.database.tables import metadata
from server.doctor.finding import Finding, fail, ok, warn

#: Seconds that a transaction may hold rows of Ayes and be idle; then the report warns. A server's
#: own are ended then.
MAX_IDLE_S: Final = IDLE_TRANSACTION_TIMEOUT_MS / 1_000
#: Seconds that a transaction may be open; then the report warns, as ``AyesOldTransaction`` does.
MAX_TRANSACTION_S: Final = 300.0
#: Seconds that a server's own session may block another one; beyond it, the report names it.
MAX_OWN_BLOCK_S: Final = 2.0
#: Findings about single sessions; the rest is counted. A person ends them one by one.
MAX_SESSIONS: Final = 10
CURE: Final = "end it as its role or a superuser: SELECT pg_terminate_backend({pid})"

# A role sees the state and the times of other roles' sessions only with pg_read_all_stats; the
# process and the locks it sees always.
_SESSIONS: Final = """
WITH held AS (
    SELECT l.pid, array_agg(DISTINCT c.relname::text ORDER BY c.relname::text) AS tables,
        bool_or(l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
            'AccessExclusiveLock')) AS forbids_writes,
        bool_or(l.mode <> 'AccessShareLock') AS more_than_reads
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
    WHERE l.locktype = 'relation' AND l.granted AND c.relname = ANY($1)
        AND c.relnamespace = to_regnamespace(current_schema())
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY l.pid
), blocked AS (
    SELECT w.pid, unnest(pg_blocking_pids(w.pid)) AS by
    FROM pg_stat_activity w
    WHERE w.datname = current_database() AND w.wait_event_type = 'Lock'
), blocking AS (
    SELECT by AS pid, count(DISTINCT pid)::int AS blocks FROM blocked GROUP BY by
)
SELECT a.pid, a.usename, a.application_name, a.client_addr::text AS address, a.state,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 AS age,
    extract(epoch FROM clock_timestamp() - a.state_change)::float8 AS unchanged,
    coalesce(h.tables, '{}') AS tables, coalesce(h.forbids_writes, false) AS forbids_writes,
    coalesce(h.more_than_reads, false) AS more_than_reads, coalesce(b.blocks, 0) AS blocks,
    EXISTS (SELECT FROM blocked WHERE blocked.pid = a.pid) AS is_blocked
FROM pg_stat_activity a LEFT JOIN held h USING (pid) LEFT JOIN blocking b USING (pid)
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
ORDER BY blocks DESC, a.xact_start
"""
# Locks of prepared transactions belong to no session.
_PREPARED: Final = """
SELECT gid, owner::text, extract(epoch FROM clock_timestamp() - prepared)::float8 AS age
FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared
"""
_STANDBYS: Final = """
SELECT count(*)::int FROM pg_stat_activity
WHERE wait_event = 'SyncRep' AND state_change < clock_timestamp() - interval '2 s'
"""


async def findings(connection: asyncpg.Connection[Any]) -> AsyncIterator[Finding]:
    """Yield the sessions that hold a server up; one line that nothing does, if that is so."""
    tables = [*(table.name for table in metadata.sorted_tables), "alembic_version"]
    rows = await connection.fetch(_SESSIONS, tables)
    found = [each for row in rows if (each := _of_session(row)) is not None]
    for row in await connection.fetch(_PREPARED):
        if row["age"] > MAX_IDLE_S:
            fact = (
                f"transaction {row['gid']!r} of {row['owner']} is prepared for {_for(row['age'])}"
            )
            found.append(fail("locks", fact, f"ROLLBACK PREPARED '{row['gid']}', or commit it"))
    if waiting := await connection.fetchval(_STANDBYS):
        fact = f"{waiting} COMMITs wait for a synchronous standby that does not answer"
        cure = "bring it back, or take it out of synchronous_standby_names"
        found.append(fail("database", fact, cure))
    for finding in found[:MAX_SESSIONS]:
        yield finding
    if len(found) > MAX_SESSIONS:
        fact = f"{len(found) - MAX_SESSIONS} more sessions like these"
        yield warn("locks", fact, "SELECT * FROM pg_stat_activity")
    if not found:
        yield ok("locks", "no session holds others up")


def _of_session(row: Any) -> Finding | None:
    """Return what is wrong with a session, if anything is."""
    is_own = row["application_name"] == "ayes"
    cure = CURE.format(pid=row["pid"])
    who = _who(row)
    held = ", ".join(row["tables"])
    age = row["age"] or 0.0
    is_idle = (row["state"] or "").startswith("idle in transaction")
    # One that waits itself is not the cause, unless it locks a whole table meanwhile.
    if row["blocks"] and not row["is_blocked"] and not (is_own and age < MAX_OWN_BLOCK_S):
        others = "session waits" if row["blocks"] == 1 else "sessions wait"
        what = f" on {held}" if held else ""
        return fail("locks", f"{row['blocks']} {others} for a lock{what} of {who}", cure)
    if row["forbids_writes"] and not is_own:
        return fail("locks", f"{held}: nothing can be written there, by a lock of {who}", cure)
    if is_own:
        return None
    if is_idle and row["more_than_reads"] and (row["unchanged"] or 0.0) > MAX_IDLE_S:
        return warn("locks", f"{who} has locks on {held}, and does nothing", cure)
    if age > MAX_TRANSACTION_S and row["state"] is not None:
        return warn(
            "locks", f"{who}: PostgreSQL cannot clean up behind it", f"{cure}, if no backup"
        )
    return None


def _who(row: Any) -> str:
    program = row["application_name"] or "a program without a name"
    where = f" from {row['address']}" if row["address"] else ""
    state = row["state"] or "its state is not shown to this role"
    since = f", transaction open for {_for(row['age'])}" if row["age"] is not None else ""
    return f"session {row['pid']} ({program}, role {row['usename']}{where}; {state}{since})"


def _for(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
