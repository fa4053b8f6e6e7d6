"""The nodes of a campaign: server processes that are killed, stopped and started again."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.parts import free_port
from tests.promises.running import AUDIENCE, CONNECTIONS, ROOT, SECRET

#: Longest that a start may take while the database is healthy, on a machine with other work.
START_SECONDS = 90.0
#: Longest time from SIGTERM to the exit: the drain, uvicorn's own wait, accepted commands.
STOP_SECONDS = 30.0
#: Longest that a node may take to answer an order, starved of processor time or not.
REPORT_SECONDS = 30.0
#: Longest wait for the end of a dead node's pipes.
PIPES_SECONDS = 5.0
#: Seconds between two tries to start while the database is out of reach.
RESTART_SECONDS = 0.2
DRAIN_SECONDS = 3
ADMIN_TOKEN = "the-token-of-the-admin-of-a-campaign"
#: Longest look at a node that may be killed meanwhile.
LOOK_SECONDS = 2.0
#: Lines of a node's log that show a defect.
#: ``LOST_DATA`` is no defect after the loss of a primary whose standby had less.
LOST_DATA = re.compile(r" CRITICAL ayes\.rooms .*committed data was lost$")
DEFECT = re.compile(r"Traceback| ERROR | CRITICAL |never retrieved|never awaited|\b1011\b")
#: Limits of the domain that keep rooms small: windows overflow, and the checker is quick.
SMALL = {"resolved_shown": 40, "comments_shown": 40, "pending_proposals": 45}
SETTINGS = SMALL | {
    "database_connections": CONNECTIONS,
    "heartbeat_ms": 5_000,
    "drain_seconds": DRAIN_SECONDS,
    "forward": "on",
    "commands_per_second": 1_000,
    "connections_per_user": 40,
    # Clients here do in a minute what people do in days.
    "churn_membership": 0,
    "churn_votes": 0,
    "churn_comments": 0,
}


class NodeError(Exception):
    """A node did what a node must never do; the message describes it."""


class NodeProcess:
    """A node of the campaign, over several lives; its port stays.

    ``host`` is where its clients reach it, ``environment`` is its own alone, and ``within`` is a
    command that runs it in another network of the machine.
    """

    def __init__(
        self,
        name: str,
        database_url: str,
        redis_url: Callable[[], str],
        folder: Path,
        *,
        host: str = "127.0.0.1",
        environment: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        self.name, self.host = name, host
        self.port = free_port()
        self.up = asyncio.Event()
        self.log: list[str] = []
        self.lives = 0
        self.exits: list[int] = []
        self.at_start: dict[str, float] = {}
        """The resources that it held in this life before anyone connected."""
        self.most: dict[str, float] = {}
        """The most resources that it held, over all lives."""
        self.planted = ""
        """The planted bug; empty in an honest campaign."""
        self.exports = folder / "exports"
        """The folder for the exports of deleted events, which all nodes share."""
        self._redis_url, self._folder = redis_url, folder
        self._database_url = database_url
        self._environment, self._within = environment or {}, within
        self._process: asyncio.subprocess.Process | None = None
        self._reading: list[asyncio.Task[None]] = []
        self._reports: dict[int, asyncio.Future[dict[str, float]]] = {}
        """A future for each question, so that two readers never take each other's answer."""
        self._questions = 0
        self._is_ending = False
        """Whether a fault is about to end this life."""

    @property
    def pid(self) -> int:
        """The process of the present life."""
        assert self._process is not None
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process ended without a fault that ends it."""
        child = self._process
        return self.up.is_set() and not self._is_ending and (child and child.returncode) is not None

    async def start(self) -> None:
        """Start it, and again while the start fails, as a supervisor would.

        Raises ``NodeError`` if it is not up in time; no process is left then.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._started():
                    await asyncio.sleep(RESTART_SECONDS)
        except TimeoutError:
            last = self.log[-3:]
            raise NodeError(
                f"{self.name} was not up within {START_SECONDS:.0f} s: {last}"
            ) from None
        self.up.set()

    async def _started(self) -> bool:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("AYES_")} | {
            "AYES_DATABASE_URL": self._database_url,
            "AYES_REDIS_URL": self._redis_url(),
            "AYES_DATA_DIR": str(self._folder / self.name),
            "AYES_AUTH_SECRET": SECRET,
            "AYES_AUTH_AUDIENCE": AUDIENCE,
            "AYES_ADMIN_TOKEN": ADMIN_TOKEN,
            "AYES_EXPORT_DIR": str(self.exports),
            "AYES_HOST": self.host,
            "AYES_PORT": str(self.port),
            **{f"AYES_{name.upper()}": str(value) for name, value in SETTINGS.items()},
            **self._environment,
        }
        self.exports.mkdir(mode=0o700, exist_ok=True)
        self.lives += 1
        self._is_ending = False
        self._process = child = await asyncio.create_subprocess_exec(
            *self._within,
            *(sys.executable, "-m", "tests.campaign.node", *filter(None, [self.planted])),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert child.stdout is not None
        assert child.stderr is not None
        self._reading = [asyncio.create_task(self._read_log(child.stderr))]
        is_up = False
        try:
            ready = await child.stdout.readline()
            self._reading.append(asyncio.create_task(self._read_reports(child.stdout)))
            if ready.startswith(b"ayes is ready"):
                self.at_start = await self.report()
                is_up = True
        except NodeError:
            pass  # The process ended before it could answer.
        finally:
            if not is_up:
                await self.kill()
        return is_up

    async def _read_log(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            self.log.append(line.decode(errors="replace").rstrip())

    async def _read_reports(self, stream: asyncio.StreamReader) -> None:
        try:
            while line := await stream.readline():
                if line.startswith(b"{"):
                    found = json.loads(line)
                    asked = self._reports.pop(found.pop("number"), None)
                    if asked is not None and not asked.done():
                        asked.set_result(found)
        finally:
            # A process that has ended answers no question.
            for asked in self._reports.values():
                if not asked.done():
                    asked.set_exception(NodeError(f"{self.name} ended before it could answer"))
                    asked.exception()
            self._reports.clear()

    async def _gone(self) -> int:
        self.up.clear()
        assert self._process is not None
        status = await self._process.wait()
        reading, self._reading = self._reading, []
        # A child of its own that is still alive would keep the pipes open.
        _, late = await asyncio.wait(reading, timeout=PIPES_SECONDS) if reading else ((), ())
        for each in late:
            each.cancel()
        return status

    def _order(self, words: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        # The process may be dying, and its end not known yet.
        with suppress(RuntimeError, OSError):
            self._process.stdin.write(f"{words}\n".encode())

    async def report(self) -> dict[str, float]:
        """The resources of the process now: tasks, open files, KiB of memory.

        Raises ``NodeError`` if it ends, or does not answer in time.
        """
        self._questions += 1
        number = self._questions
        asked = self._reports[number] = asyncio.get_running_loop().create_future()
        self._order(f"report {number}")
        try:
            async with asyncio.timeout(REPORT_SECONDS):
                found: dict[str, float] = await asked
        except TimeoutError:
            raise NodeError(f"{self.name} gave no report in {REPORT_SECONDS:.0f} s") from None
        finally:
            self._reports.pop(number, None)
        for name, value in found.items():
            self.most[name] = max(self.most.get(name, 0), value)
        return found

    async def look(self) -> None:
        """Note what it holds, if it runs."""
        with suppress(TimeoutError, NodeError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self.report()

    def metrics(self) -> dict[str, float]:
        """``/metrics``: the samples without labels."""
        with urllib.request.urlopen(f"http://{self.host}:{self.port}/metrics", timeout=5) as got:
            lines = got.read().decode().splitlines()
        pairs = [line.split() for line in lines if line.startswith("ayes_") and "{" not in line]
        return {name: float(value) for name, value in pairs}

    # Its end.

    async def kill(self) -> None:
        """Send SIGKILL now; does nothing to a process that has ended."""
        assert self._process is not None
        self._is_ending = True
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._gone()

    async def kill_at(self, point: str, patience: float) -> bool:
        """Have it kill itself at the next ``point``; if none comes, kill it; return ``False``."""
        assert self._process is not None
        self._is_ending = True
        self._order(f"die {point}")
        try:
            async with asyncio.timeout(patience):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
            return False
        await self._gone()
        return True

    async def terminate(self) -> int:
        """SIGTERM; its exit status. Raises ``NodeError`` if it does not go."""
        assert self._process is not None
        self._is_ending = True
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
        """Make sure that no process is left."""
        if self._process is not None and self._process.returncode is None:
            await self.kill()

    def defects(self, *, data_was_lost: bool) -> list[str]:
        """Lines of its logs that no server may write; of a traceback, its last line."""
        found = []
        for place, line in enumerate(self.log):
            if not DEFECT.search(line) or (data_was_lost and LOST_DATA.search(line)):
                continue
            said = line
            if line.startswith("Traceback"):
                rest = (each for each in self.log[place + 1 :] if not each.startswith(" "))
                said = f"{self.log[place - 1] if place else ''}: {next(rest, 'cut off')}"
            found.append(f"{self.name}: {said}")
        return found
