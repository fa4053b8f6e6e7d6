"""One server alone: without a bus between them, two processes on one database would each tell
their rooms only half of what happens in time.

A session-level advisory lock tells; PostgreSQL gives it back when the process dies.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any

import asyncpg

#: Key of the advisory lock.
SOLE_LOCK = 0x41594553_00000002
#: Longest that a successor waits for a killed server's session to end.
WAIT_SECONDS = 10.0
#: Seconds between two tries.
_TRY_EVERY = 0.25
_CONNECT_SECONDS = 5.0


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

    async def __aenter__(self) -> SoleServer:
        """Take the lock; raises ``SoleServerError`` after ``WAIT_SECONDS``."""
        settings = {"application_name": "ayes sole server"}
        connection = await asyncpg.connect(
            self._url, timeout=_CONNECT_SECONDS, server_settings=settings
        )
        self._connection = connection
        deadline = time.monotonic() + WAIT_SECONDS
        while not await connection.fetchval(self._take, SOLE_LOCK):
            if time.monotonic() > deadline:
                await connection.close()
                raise SoleServerError(
                    "another ayes server uses this database. Several servers need Redis between "
                    "them: give all of them the same AYES_REDIS_URL"
                )
            await asyncio.sleep(_TRY_EVERY)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        err: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        if self._connection is not None and not self._connection.is_closed():
            try:
                await self._connection.close(timeout=_CONNECT_SECONDS)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                self._connection.terminate()
