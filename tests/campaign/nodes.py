"""The nodes of a campaign: servers in processes of their own that are killed, stopped, started."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path

from tests.campaign.stores import Store
from tests.parts import free_port
from tests.promises.running import AUDIENCE, CONNECTIONS, ROOT, SECRET

#: Longest that a start may take while the database is healthy, on a machine with other work.
START_SECONDS = 90.0
#: Longest that a node lives on after SIGTERM: the drain, uvicorn's own wait, accepted commands.
STOP_SECONDS = 30.0
#: Between two tries to start where the database is out of reach.
RESTART_SECONDS = 0.2
DRAIN_SECONDS = 3
#: Longest that a look at a node may take that may be killed meanwhile.
LOOK_SECONDS = 2.0
#: Lines of a node's log that tell of a defect.
DEFECT = re.compile(r"Traceback| ERROR | CRITICAL |never retrieved|never awaited|\b1011\b")
#: Limits of the domain that make rooms small: windows are met, and the checker is quick.
SMALL = {"resolved_shown": 40, "comments_shown": 40, "pending_proposals": 45}
SETTINGS = SMALL | {
    "database_connections": CONNECTIONS,
    "heartbeat_ms": 5_000,
    "drain_seconds": DRAIN_SECONDS,
    "commands_per_second": 1_000,
    "connections_per_user": 40,
    # Its clients do in a minute what people do in days.
    "churn_membership": 0,
    "churn_votes": 0,
    "churn_comments": 0,
}


class NodeError(Exception):
    """A node did what no node may do; the message says what."""


class NodeProcess:
    """One node of the campaign, in this life or the next; its port stays."""

    def __init__(self, name: str, database_url: str, redis: Store, folder: Path) -> None:
        self.name = name
        self.port = free_port()
        self.up = asyncio.Event()
        self.log: list[str] = []
        self.lives = 0
        self.exits: list[int] = []
        self.at_start: dict[str, float] = {}
        """What it held when nobody was connected yet, in this life."""
        self.most: dict[str, float] = {}
        """The most it was seen to hold, over all lives."""
        self.planted = ""
        """The bug it is to have; empty in any honest campaign."""
        self._redis, self._folder = redis, folder
        self._database_url = database_url
        self._process: asyncio.subprocess.Process | None = None
        self._reading: list[asyncio.Task[None]] = []
        self._reports: asyncio.Queue[dict[str, float]] = asyncio.Queue()

    @property
    def pid(self) -> int:
        """The process of this life."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it; again while it cannot, as whatever keeps servers running would."""
        async with asyncio.timeout(START_SECONDS):
            while not await self._started():
                await asyncio.sleep(RESTART_SECONDS)
        self.at_start = await self.report()
        self.up.set()

    async def _started(self) -> bool:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AYES_")} | {
            "AYES_DATABASE_URL": self._database_url,
            "AYES_REDIS_URL": self._redis.url,
            "AYES_DATA_DIR": str(self._folder / self.name),
            "AYES_AUTH_SECRET": SECRET,
            "AYES_AUTH_AUDIENCE": AUDIENCE,
            "AYES_PORT": str(self.port),
            **{f"AYES_{name.upper()}": str(value) for name, value in SETTINGS.items()},
        }
        self.lives += 1
        self._process = child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.campaign.node", *filter(None, [self.planted])),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stderr is not None
        errors = asyncio.create_task(self._read_log(child.stderr))
        ready = await child.stdout.readline()
        self._reading = [errors, asyncio.create_task(self._read_reports(child.stdout))]
        if ready.startswith(b"ayes is ready"):
            return True
        await self._gone()
        return False

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.log.append(line.decode(errors="replace").rstrip())

    async def _read_reports(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            if line.startswith(b"{"):
                self._reports.put_nowait(json.loads(line))

    async def _gone(self) -> int:
        self.up.clear()
        assert self._process is not None
        status = await self._process.wait()
        await asyncio.gather(*self._reading)
        self._reading = []
        return status

    def _tell(self, word: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        # It may be dying, and its end not known yet.
        with suppress(RuntimeError, OSError):
            self._process.stdin.write(f"{word}\n".encode())

    async def report(self) -> dict[str, float]:
        """What the process holds now: tasks, open files, KiB of memory."""
        self._tell("report")
        async with asyncio.timeout(START_SECONDS):
            found = await self._reports.get()
        for name, value in found.items():
            self.most[name] = max(self.most.get(name, 0), value)
        return found

    async def look(self) -> None:
        """Note what it holds, where it is there to tell."""
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self.report()

    def metrics(self) -> dict[str, float]:
        """``/metrics``, the plain ones."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as got:
            lines = got.read().decode().splitlines()
        pairs = [line.split() for line in lines if line.startswith("ayes_") and "{" not in line]
        return {name: float(value) for name, value in pairs}

    # How it ends.

    async def kill(self) -> None:
        """kill -9, now."""
        assert self._process is not None
        self._process.kill()
        await self._gone()

    async def kill_at(self, point: str, patience: float) -> bool:
        """kill -9 by itself at the next ``point``; by us, and ``False``, where none comes by."""
        self._tell(f"die {point}")
        assert self._process is not None
        try:
            async with asyncio.timeout(patience):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            return False
        await self._gone()
        return True

    async def terminate(self) -> int:
        """SIGTERM; its exit status. Raises ``NodeError`` where it does not go."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                status = await self._process.wait()
        except TimeoutError:
            await self.kill()
            raise NodeError(f"{self.name} lived on after SIGTERM") from None
        self.exits.append(status)
        await self._gone()
        return status

    async def close(self) -> None:
        """Make sure that nothing is left running."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    def defects(self) -> list[str]:
        """Lines of its logs that no server may write; of a traceback, the error."""
        found = []
        for place, line in enumerate(self.log):
            if not DEFECT.search(line):
                continue
            said = line
            if line.startswith("Traceback"):
                rest = (each for each in self.log[place + 1 :] if not each.startswith(" "))
                said = f"{self.log[place - 1] if place else ''}: {next(rest, 'cut off')}"
            found.append(f"{self.name}: {said}")
        return found
