"""The pool of connections to PostgreSQL, and their session settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg

from persistence.database.faults import fault_of

#: Longest wait for an event's lock in one try; shorter than a statement may take.
LOCK_TIMEOUT_MS = 2_000
#: Longest that any statement of the server's runs.
STATEMENT_TIMEOUT_MS = 8_000
#: A transaction that its process forgot gives the lock back after this.
IDLE_IN_TRANSACTION_MS = 10_000
#: Longest wait for one's turn, when all connections are in use.
TURN_TIMEOUT = 5.0
#: Longest wait for a new connection to be made.
CONNECT_TIMEOUT = 5.0
#: Longest wait for a statement's answer, a little over what the server allows it.
COMMAND_TIMEOUT = 10.0
#: Longest that closing waits for connections in use.
CLOSE_TIMEOUT = 5.0

#: Given when a connection is made, so that no reset of a pool can wipe them. Then set once more:
#: a pooler between (PgBouncer) drops what it does not know of a startup packet.
SESSION = {
    "application_name": "ayes",
    "timezone": "UTC",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
    # The hot statements are the same for ever; planning them for each call costs more than
    # running them.
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    # A generic plan made while a table is small would scan it for as long as the connection
    # lives. Every hot statement has its index (a test holds that), so no scan is ever better.
    "enable_seqscan": "off",
}


class Database:
    """Connections to one PostgreSQL; ``url`` is a plain ``postgresql://`` URL."""

    def __init__(self, url: str, *, connections: int = 10) -> None:
        self.url = url
        self._connections = connections
        self._pool: asyncpg.Pool[Any] | None = None
        # The pool gives a connection to who asks first when it is free, which is who just gave it
        # back; a queue before it gives everyone their turn.
        self._turn = asyncio.Semaphore(connections)

    async def open(self) -> None:
        """Make the pool; raises what the driver raises where the database is out of reach."""
        self._pool = pool = await asyncpg.create_pool(
            self.url,
            # A floor would be restored by the pool itself, with a traceback in the log for each
            # try while the database is away. No connection expires, so none is needed.
            min_size=0,
            max_size=self._connections,
            max_inactive_connection_lifetime=0,
            timeout=CONNECT_TIMEOUT,
            command_timeout=COMMAND_TIMEOUT,
            server_settings=SESSION,
            init=_keep_settings,
            reset=_leave_as_it_is,
        )
        try:
            await pool.release(await pool.acquire(timeout=CONNECT_TIMEOUT))
        except BaseException:
            self._pool = None
            pool.terminate()
            raise

    async def close(self) -> None:
        """Give all connections back; those still in use after the deadline are cut."""
        if self._pool is None:
            return
        pool, self._pool = self._pool, None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await pool.close()
        except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            pool.terminate()

    def is_short(self) -> bool:
        """Whether every connection is taken: who has one and could go on should give it back."""
        return self._turn.locked()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection; one that met a fault is cut rather than used again."""
        async with asyncio.timeout(TURN_TIMEOUT):
            await self._turn.acquire()
        try:
            pool = self._pool
            if pool is None:
                raise asyncpg.InterfaceError("the database is closed")
            connection = await pool.acquire(timeout=CONNECT_TIMEOUT)
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
            self._turn.release()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[asyncpg.Connection[Any]]:
        """A connection whose reads all see the same moment."""
        async with (
            self.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection


async def _keep_settings(connection: asyncpg.Connection[Any]) -> None:
    """Set what a pooler has dropped: a session without timeouts could wait for ever."""
    await connection.execute(
        "SELECT set_config(name, value, false)"
        " FROM unnest($1::text[], $2::text[]) AS given(name, value)",
        list(SESSION),
        list(SESSION.values()),
    )


async def _leave_as_it_is(connection: asyncpg.Connection[Any]) -> None:
    """Nothing to reset: a connection comes back with its transaction ended, or is cut."""
