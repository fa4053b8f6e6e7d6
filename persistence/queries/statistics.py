"""PostgreSQL's own statistics about this database, for the metrics."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import text

from persistence.database.pool import Database
from persistence.database.statements import Statement


class Statistics(NamedTuple):
    """Counters since PostgreSQL's statistics were reset, and the present state."""

    table_hits: int = 0
    """Pages of tables that were found in PostgreSQL's cache."""
    table_reads: int = 0
    """Pages of tables that were not."""
    index_hits: int = 0
    index_reads: int = 0
    index_scans: int = 0
    table_scans: int = 0
    """Sequential scans of a whole table."""
    deadlocks: int = 0
    bytes: int = 0
    """Bytes of the database on disk."""
    sessions: int = 0
    max_sessions: int = 0
    lock_waits: int = 0
    """Sessions of this database that wait for a lock."""
    oldest_transaction_seconds: float = 0.0


_STATISTICS = Statement(
    "database_statistics",
    text(
        """
        SELECT io.table_hits, io.table_reads, io.index_hits, io.index_reads,
               scans.index_scans, scans.table_scans, db.deadlocks,
               pg_database_size(current_database()) AS bytes,
               sessions.sessions, current_setting('max_connections')::int AS max_sessions,
               sessions.lock_waits, sessions.oldest_transaction_seconds
        FROM (SELECT coalesce(sum(heap_blks_hit), 0)::bigint AS table_hits,
                     coalesce(sum(heap_blks_read), 0)::bigint AS table_reads,
                     coalesce(sum(idx_blks_hit), 0)::bigint AS index_hits,
                     coalesce(sum(idx_blks_read), 0)::bigint AS index_reads
              FROM pg_statio_user_tables) AS io,
             (SELECT coalesce(sum(idx_scan), 0)::bigint AS index_scans,
                     coalesce(sum(seq_scan), 0)::bigint AS table_scans
              FROM pg_stat_user_tables) AS scans,
             (SELECT count(*)::int AS sessions,
                     (count(*) FILTER (WHERE wait_event_type = 'Lock'))::int AS lock_waits,
                     coalesce(extract(epoch FROM max(clock_timestamp() - xact_start)), 0)::float8
                         AS oldest_transaction_seconds
              FROM pg_stat_activity
              WHERE datname = current_database()
                AND backend_type = 'client backend') AS sessions,
             (SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()) AS db
        """.replace("::", r"\:\:")
    ),
)


async def read(database: Database) -> Statistics:
    """Read the statistics."""
    async with database.connection() as connection:
        return Statistics(**dict(await _STATISTICS.row(connection)))
