"""The database and the Redis of a campaign, which faults can break."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis

from persistence.embedded.account import Account
from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from persistence.embedded.postmaster import Postmaster
from tests.campaign.clock import Clock
from tests.parts import QUICK, START_TIMEOUT_S, RedisServer

#: Longest that an order to the database may take while nothing is wrong with it.
ORDER_SECONDS = 20.0
LOOK_SECONDS = 0.01


#: Settings of the campaign's database. It syncs, so that a slow disk can be simulated by a delay of
#: each flush. Most faults end processes, so syncing a file system in memory costs nothing.
SETTINGS = QUICK | {"fsync": "on", "max_wal_size": "256MB"}
#: The delay of each flush while the disk is slow: the most that PostgreSQL's own setting allows.
SLOW_US = 100_000


class Clocked(EmbeddedPostgres):
    """A PostgreSQL whose clock the campaign sets."""

    def __init__(self, data_dir: Path, clock: Clock | None, settings: Mapping[str, str]) -> None:
        super().__init__(data_dir, settings=settings)
        self._clock = clock

    def _running(self, account: Account, deadline: float) -> Postmaster:
        if self._clock is not None:
            account = _Lent(account.name, account.uid, account.gid, self._clock)
        return super()._running(account, deadline)


@dataclass(frozen=True)
class _Lent(Account):
    """The account that runs PostgreSQL, with a clock that the campaign sets."""

    clock: Clock | None = None

    def spawn(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        given = self.clock.environment if self.clock is not None else {}
        words = [f"{name}={value}" for name, value in given.items()]
        return super().spawn(["/usr/bin/env", *words, *command], **options)


class Postgres:
    """The campaign's PostgreSQL: the present primary, under ``folder``."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.folder, self.clock = folder, clock
        self.home = folder / "database"
        self.url = ""
        self.embedded = Clocked(self.home, clock, SETTINGS)

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        self.url = await asyncio.to_thread(self.embedded.start, timeout=START_TIMEOUT_S)

    async def stop(self) -> None:
        """Shut it down in fast mode."""
        await asyncio.to_thread(self.embedded.stop)

    async def restart(self, *, immediate: bool) -> None:
        """Shut it down, cleanly or as a crash would, and start it again."""
        if immediate:
            self.crash()
        await self.stop()
        await self.start()

    def crash(self) -> None:
        """Kill every process of it at once."""
        with suppress(ProcessLookupError, OSError, ValueError):
            os.kill(self._pid(), signal.SIGQUIT)

    async def revive(self) -> None:
        """Start it again if it has ended, as a supervisor would."""
        async with asyncio.timeout(ORDER_SECONDS * 2):
            while True:
                try:
                    if not self.embedded.runs():
                        await self.stop()
                        await self.start()
                    await self.rows("SELECT 1")
                except (EmbeddedPostgresError, OSError, asyncpg.PostgresError, TimeoutError):
                    await asyncio.sleep(LOOK_SECONDS)
                else:
                    return

    async def set(self, **settings: str | int | None) -> None:
        """Change its settings while it runs; ``None`` takes one back."""
        connection = await self.connect()
        try:
            for name, value in settings.items():
                what = f"RESET {name}" if value is None else f"SET {name} = '{value}'"
                await connection.execute(f"ALTER SYSTEM {what}")
            await connection.execute("SELECT pg_reload_conf()")
        finally:
            await connection.close()

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
        """Open a session past every proxy; tried again while the database starts."""
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
        return int((self.home / "postgres" / "postmaster.pid").read_text().splitlines()[0])


class RedisStore(RedisServer):
    """A Redis of the campaign's own."""

    async def begin(self) -> None:
        """Start it, and wait until it answers."""
        await asyncio.to_thread(self.start)

    async def end(self) -> None:
        """Kill it."""
        await asyncio.to_thread(self.stop)

    async def order(self, *words: str) -> None:
        """Run a command on it."""
        async with asyncio.timeout(ORDER_SECONDS), Redis.from_url(self.url) as redis:
            await redis.execute_command(*words)  # type: ignore[no-untyped-call]

    async def freeze(self, seconds: float) -> None:
        """Freeze it for a while."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.process.send_signal(signal.SIGCONT)


def children(pid: int) -> list[int]:
    """The processes that ``pid`` started, according to Linux."""
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
