"""The database and the Redis of a campaign, to be ill-treated."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import asyncpg
from redis.asyncio import Redis

from persistence.embedded import EmbeddedPostgres
from tests.parts import QUICK, START_TIMEOUT, RedisServer

#: Longest that an order to the database may take while nothing is wrong with it.
ORDER_SECONDS = 20.0
LOOK_SECONDS = 0.01


class Store(Protocol):
    """Something with an address."""

    @property
    def url(self) -> str:
        """Its address, the same for ever."""


class Postgres:
    """A PostgreSQL of the campaign's own.

    It syncs nothing to disk: all of its faults end the process and never the machine, so what was
    written is there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._embedded = EmbeddedPostgres(folder, settings=QUICK)
        self.url = ""

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self.url = await asyncio.to_thread(self._embedded.start, timeout=START_TIMEOUT)

    async def stop(self) -> None:
        """A fast shutdown."""
        await asyncio.to_thread(self._embedded.stop)

    async def restart(self, *, immediate: bool) -> None:
        """Shut it down, cleanly or as a crash would, and start it."""
        if immediate:
            pid = self._pid()
            os.kill(pid, signal.SIGQUIT)
        await self.stop()
        await self.start()

    async def freeze(self, seconds: float) -> None:
        """Stop every process of it for a while."""
        # The first one first: it starts the others.
        pids = [self._pid()]
        os.kill(pids[0], signal.SIGSTOP)
        try:
            pids += children(pids[0])
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(seconds)
        finally:
            for pid in reversed(pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    async def connect(self) -> asyncpg.Connection[Any]:
        """A session past every proxy; tried again while it starts."""
        async with asyncio.timeout(ORDER_SECONDS):
            while True:
                try:
                    return await asyncpg.connect(
                        self.url, server_settings={"application_name": "campaign"}
                    )
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(LOOK_SECONDS)

    async def rows(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """The rows of a query."""
        connection = await self.connect()
        try:
            found: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
        finally:
            await connection.close()
        return found

    def _pid(self) -> int:
        return int((self._folder / "postgres" / "postmaster.pid").read_text().splitlines()[0])


class RedisStore(RedisServer):
    """A Redis of the campaign's own."""

    async def begin(self) -> None:
        """Start it, and wait until it answers."""
        await asyncio.to_thread(self.start)

    async def end(self) -> None:
        """Kill it."""
        await asyncio.to_thread(self.stop)

    async def order(self, *words: str) -> None:
        """Have it do something."""
        async with asyncio.timeout(ORDER_SECONDS), Redis.from_url(self.url) as redis:
            await redis.execute_command(*words)  # type: ignore[no-untyped-call]

    async def freeze(self, seconds: float) -> None:
        """Stop it for a while."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.process.send_signal(signal.SIGCONT)


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started, as Linux tells."""
    found = Path(f"/proc/{pid}/task/{pid}/children")
    if found.exists():
        return [int(child) for child in found.read_text().split()]
    statuses = Path("/proc").glob("[0-9]*/stat")
    made = []
    for path in statuses:
        with suppress(OSError, ValueError, IndexError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                made.append(int(path.parent.name))
    return made
