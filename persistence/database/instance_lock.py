"""One server alone: without a bus between them, two processes on one database would each tell
their rooms only half of what happens in time.

A session-level advisory lock tells; PostgreSQL gives it back when the process dies. So it does when
PostgreSQL itself is restarted: the lock is looked after, and taken again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType
from typing import Any

import asyncpg

from persistence.database.periodic import Periodic

log = logging.getLogger("ayes.sole")

#: Key of the advisory lock.
SOLE_LOCK = 0x41594553_00000002
#: Longest that a successor waits for a killed server's session to end.
WAIT_SECONDS = 10.0
#: Seconds between two tries.
_TRY_EVERY = 0.25
_CONNECT_SECONDS = 5.0
#: Seconds between two looks at whether the lock's session is still there.
LOOK_SECONDS = 5.0
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class SoleServerError(Exception):
    """Another server uses this database; the message is fit to print to an operator."""


class SoleServer:
    """Holds the lock while the server runs; ``async with SoleServer(url):``.

    ``shared``: there is a bus, so that others with one may run beside this one.
    """

    def __init__(self, url: str, *, shared: bool = False) -> None:
        self._url = url
        self._take = (
            "SELECT pg_try_advisory_lock_shared($1)"
            if shared
            else "SELECT pg_try_advisory_lock($1)"
        )
        self._connection: asyncpg.Connection[Any] | None = None
        self._is_ours = False
        self._is_logged = False
        """Whether it was logged that another server holds the lock."""
        self.task = Periodic("sole server", LOOK_SECONDS, self._look)

    async def __aenter__(self) -> SoleServer:
        """Take the lock; raises ``SoleServerError`` after ``WAIT_SECONDS``."""
        self._connection = connection = await self._connect()
        try:
            await self._wait_for_lock(connection)
        except BaseException:
            # Nobody calls ``__aexit__`` after this, and the connection may hold the lock.
            connection.terminate()
            raise
        self._is_ours = True
        self.task.start()
        return self

    async def _wait_for_lock(self, connection: asyncpg.Connection[Any]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not await connection.fetchval(self._take, SOLE_LOCK):
            if time.monotonic() > deadline:
                raise SoleServerError(
                    "another ayes server uses this database. Several servers need Redis between "
                    "them: give all of them the same AYES_REDIS_URL"
                )
            await asyncio.sleep(_TRY_EVERY)

    async def _connect(self) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            self._url,
            timeout=_CONNECT_SECONDS,
            command_timeout=_CONNECT_SECONDS,
            server_settings={"application_name": "ayes sole server"},
        )

    async def _look(self) -> None:
        """Take the lock again if its session was lost.

        If another server took the lock meanwhile, keep serving: both stay consistent through the
        room sweep. Log an error, once.
        """
        connection = self._connection
        if connection is None or connection.is_closed():
            self._is_ours = False
            self._connection = connection = await self._connect()
        try:
            if self._is_ours:
                await connection.execute("SELECT 1")
            elif await connection.fetchval(self._take, SOLE_LOCK):
                self._is_ours, self._is_logged = True, False
            elif not self._is_logged:
                log.error("another ayes server uses this database, without the same Redis")
                self._is_logged = True
        except Exception:
            connection.terminate()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        await self.task.stop()
        if self._connection is not None and not self._connection.is_closed():
            try:
                await self._connection.close(timeout=_CONNECT_SECONDS)
            except _LOST:
                self._connection.terminate()
