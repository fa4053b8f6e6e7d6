"""The pool of connections to PostgreSQL, and their session settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, cast

import asyncpg

from persistence.database.connecting import CONNECT_TIMEOUT_S, set_up
from persistence.database.faults import PoolTimeoutError, fault_of
from persistence.database.histogram import LATENCY_BOUNDS, Histogram

#: Longest wait for an event's lock in one try; then the try fails. Shorter than
#: ``STATEMENT_TIMEOUT_MS``, so that the error says which of both it was.
LOCK_TIMEOUT_MS = 2_000
#: Longest run of a statement; then PostgreSQL cancels it. It frees the event's lock from a
#: statement that hangs.
STATEMENT_TIMEOUT_MS = 8_000
#: Longest pause of a transaction between statements; then PostgreSQL ends its session. It frees the
#: locks of a process that hangs.
IDLE_TRANSACTION_TIMEOUT_MS = 10_000
#: Longest wait for a free connection; then the try fails, like one without a database.
POOL_TIMEOUT_S = 5.0
#: Longest wait for a statement's answer; then its connection is closed. A little above
#: ``STATEMENT_TIMEOUT_MS``, so that PostgreSQL ends a slow statement first.
QUERY_TIMEOUT_S = 10.0
#: Longest wait for connections in use at the end; then they are closed.
CLOSE_TIMEOUT_S = 5.0

#: Settings of every session, as ``pg_settings`` shows them.
SESSION = {
    "timezone": "UTC",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_TRANSACTION_TIMEOUT_MS),
    # The hot statements never change, and planning them at each call costs more than running them.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # A generic plan made while a table is small would scan it for as long as the connection lives.
    # Every hot statement has its index, which a test holds, so no scan is better.
    "enable_seqscan": "off",
}


class Database:
    """Connections to one PostgreSQL; ``url`` is a plain ``postgresql://`` URL."""

    def __init__(self, url: str, *, connections: int = 10) -> None:
        self.url = url
        self._connections = connections
        self._pool: asyncpg.Pool[Any] | None = None
        # asyncpg's pool is not first-in first-out: a task that releases and acquires gets the
        # connection at once. The semaphore in front makes waiting tasks take turns.
        self._slots = asyncio.Semaphore(connections)
        self.in_use = 0
        """Connections that are in use."""
        self.waits = Histogram(LATENCY_BOUNDS)
        """Seconds that each use waited for a connection."""
        self.timeouts = 0
        """Waits that were given up after ``POOL_TIMEOUT_S``."""

    async def open(self) -> None:
        """Open the pool; raise what the driver raises if the database is out of reach."""
        self._pool = pool = await asyncpg.create_pool(
            self.url,
            # With a minimum size the pool itself would reconnect, and log a traceback for each try
            # while the database is away. No connection expires, so none is needed.
            min_size=0,
            max_size=self._connections,
            max_inactive_connection_lifetime=0,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=QUERY_TIMEOUT_S,
            server_settings={"application_name": "ayes"},
            init=_set_up,
            reset=_leave_as_it_is,
        )
        try:
            await pool.release(await pool.acquire(timeout=CONNECT_TIMEOUT_S))
        except BaseException:
            self._pool = None
            pool.terminate()
            raise

    async def close(self) -> None:
        """Close all connections; those in use are cut after ``CLOSE_TIMEOUT_S``."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pool.terminate()

    @property
    def size(self) -> int:
        """The most connections that may be in use."""
        return self._connections

    def is_short(self) -> bool:
        """Whether every connection is in use: a caller that can go on later should give its own
        back.
        """
        return self._slots.locked()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Return a connection; one that met a fault is closed instead of reused.

        Raises ``PoolTimeoutError`` if none is free within ``POOL_TIMEOUT_S``, the errors of a new
        connection, and ``asyncpg.InterfaceError`` once the database is closed.
        """
        began = monotonic()
        try:
            async with asyncio.timeout(POOL_TIMEOUT_S):
                await self._slots.acquire()
        except TimeoutError:
            self.timeouts += 1
            raise PoolTimeoutError from None
        self.waits.observe(monotonic() - began)
        self.in_use += 1
        try:
            pool = self._pool
            if pool is None:
                raise asyncpg.InterfaceError("the database is closed")
            connection = await pool.acquire(timeout=CONNECT_TIMEOUT_S)
            try:
                # The pool's proxy has every method of the connection it stands for.
                yield cast("asyncpg.Connection[Any]", connection)
            except BaseException as err:
                if not isinstance(err, Exception) or fault_of(err) is not None:
                    connection.terminate()
                raise
            finally:
                await pool.release(connection)
        finally:
            self.in_use -= 1
            self._slots.release()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """Return a connection whose reads all see the same moment; raise as ``connection`` does."""
        async with (
            self.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection


async def _set_up(connection: asyncpg.Connection[Any]) -> None:
    await set_up(connection, SESSION)


async def _leave_as_it_is(connection: asyncpg.Connection[Any]) -> None:
    """No reset is needed: a connection comes back after its transaction ended, or is closed."""
