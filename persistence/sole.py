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
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> SoleServer:
        """Take the lock; raises ``SoleServerError`` after ``WAIT_SECONDS``."""
        self._connection = connection = await self._connect()
        deadline = time.monotonic() + WAIT_SECONDS
        while not await connection.fetchval(self._take, SOLE_LOCK):
            if time.monotonic() > deadline:
                await connection.close()
                raise SoleServerError(
                    "another ayes server uses this database. Several servers need Redis between "
                    "them: give all of them the same AYES_REDIS_URL"
                )
            await asyncio.sleep(_TRY_EVERY)
        self._keeper = asyncio.create_task(self._keep(), name="sole server")
        return self

    async def _connect(self) -> asyncpg.Connection[Any]:
        return await asyncpg.connect(
            self._url,
            timeout=_CONNECT_SECONDS,
            command_timeout=_CONNECT_SECONDS,
            server_settings={"application_name": "ayes sole server"},
        )

    async def _keep(self) -> None:
        """Take the lock again wherever its session is lost. Nobody is stopped for it: who came in
        between was let in by the database, and the rooms' sweeps still tell each of the other."""
        is_ours, is_told = True, False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            connection = self._connection
            try:
                if connection is None or connection.is_closed():
                    self._connection = connection = await self._connect()
                    is_ours = False
                if is_ours:
                    await connection.execute("SELECT 1")
                elif await connection.fetchval(self._take, SOLE_LOCK):
                    is_ours, is_told = True, False
                elif not is_told:
                    log.error("another ayes server uses this database, without the same Redis")
                    is_told = True
            except _LOST:
                if connection is not None:
                    connection.terminate()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._connection is not None and not self._connection.is_closed():
            try:
                await self._connection.close(timeout=_CONNECT_SECONDS)
            except _LOST:
                self._connection.terminate()
