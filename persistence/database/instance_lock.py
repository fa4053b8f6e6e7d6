"""A lock on the database, so that no two servers use it without a bus between them.

Without a bus, each of them would miss the steps of the other until its sweep. It is a session-level
advisory lock: PostgreSQL releases it when the process dies. It is also lost when PostgreSQL
restarts, so it is checked regularly and taken again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType
from typing import Any

import asyncpg

from persistence.database.connecting import CONNECT_TIMEOUT_S, connect
from persistence.database.periodic import Periodic

log = logging.getLogger("ayes.instance_lock")

#: Key of the advisory lock; any number that Ayes alone uses.
INSTANCE_LOCK_KEY = 0x41594553_00000002
#: Seconds that a new server waits for a killed server's session to end; then it does not start.
#: PostgreSQL notices a dead client within seconds.
START_TIMEOUT_S = 10.0
#: Seconds between two tries to take the lock: short, so that a restart is quick.
RETRY_INTERVAL_S = 0.25
#: Seconds between two checks that the lock's session is alive. A lost lock is noticed within this
#: time.
CHECK_INTERVAL_S = 5.0
_BACKEND = "SELECT pg_backend_pid()"
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class InstanceLockError(Exception):
    """Another server uses this database. The message may be printed to an operator."""


class InstanceLock:
    """Holds the lock while the server runs: ``async with InstanceLock(url):``.

    ``shared``: the server has a bus, so it may run beside others that have one.
    """

    def __init__(self, url: str, *, shared: bool = False) -> None:
        self._url = url
        self._take = (
            "SELECT pg_try_advisory_lock_shared($1)"
            if shared
            else "SELECT pg_try_advisory_lock($1)"
        )
        self._connection: asyncpg.Connection[Any] | None = None
        self._backend = 0
        """The PostgreSQL process whose session has the lock."""
        self._is_ours = False
        self._is_logged = False
        """Whether it was logged that another server holds the lock."""
        self.task = Periodic("instance lock", CHECK_INTERVAL_S, self._check)

    async def __aenter__(self) -> InstanceLock:
        """Take the lock; raise ``InstanceLockError`` after ``START_TIMEOUT_S``."""
        self._connection = connection = await self._connect()
        try:
            await self._wait_for_lock(connection)
            await self._taken(connection)
        except BaseException:
            # ``__aexit__`` is not called after this, and the connection may hold the lock.
            connection.terminate()
            raise
        self.task.start()
        return self

    async def _wait_for_lock(self, connection: asyncpg.Connection[Any]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not await connection.fetchval(self._take, INSTANCE_LOCK_KEY):
            if time.monotonic() > deadline:
                raise InstanceLockError(
                    "another ayes server uses this database. Several servers need Redis between "
                    "them: give all of them the same AYES_REDIS_URL"
                )
            await asyncio.sleep(RETRY_INTERVAL_S)

    async def _connect(self) -> asyncpg.Connection[Any]:
        return await connect(self._url, name="ayes instance lock")

    async def _taken(self, connection: asyncpg.Connection[Any]) -> None:
        self._backend = await connection.fetchval(_BACKEND)
        self._is_ours, self._is_logged = True, False

    async def _check(self) -> None:
        """Take the lock again if its session was lost.

        If another server took the lock meanwhile, keep serving: both stay consistent through the
        room sweep. Log an error, once.
        """
        connection = self._connection
        if connection is None or connection.is_closed():
            self._is_ours = False
            self._connection = connection = await self._connect()
        try:
            if self._is_ours and await connection.fetchval(_BACKEND) != self._backend:
                # A pooler gave the connection another session: the lock stayed with the first.
                self._is_ours = False
            if self._is_ours:
                return
            if await connection.fetchval(self._take, INSTANCE_LOCK_KEY):
                await self._taken(connection)
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
        """Release the lock."""
        await self.task.stop()
        if self._connection is not None and not self._connection.is_closed():
            try:
                await self._connection.close(timeout=CONNECT_TIMEOUT_S)
            except _LOST:
                self._connection.terminate()
