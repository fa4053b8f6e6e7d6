"""A client under test behind its driver: orders in, reports out (see README.md)."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from tests.clients.programs import Program, start_program
from tests.node import NODE
from tests.transcripts.matching import Memory, Mismatch

Json: TypeAlias = Any
Told: TypeAlias = dict[str, Any]

ROOT = Path(__file__).parents[2]
DRIVERS = {
    "js": [NODE, str(ROOT / "clients" / "js" / "conformance" / "driver.mjs")],
    "python": [sys.executable, str(ROOT / "clients" / "python" / "conformance" / "driver.py")],
}
#: Clients that can work over HTTP while no WebSocket gets through.
OVER_HTTP = ("js", "python")
#: Each client over each of its transports, with the ``start`` options of that transport.
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    **{client: (client, {}) for client in DRIVERS},
    **{f"{client}-http": (client, {"transport": "http"}) for client in OVER_HTTP},
}
#: Longest wait for an expected report; the machine may be busy.
PATIENCE = 30.0
#: Interval between two looks at a client's state while it is not as expected.
LOOK_INTERVAL_S = 0.02
#: Maximum of bytes of a driver's line, which may hold a whole room.
MAX_LINE_BYTES = 16 * 1024 * 1024
#: Reports that a client may send at any time, without a step that expects them.
UNASKED = frozenset(
    {
        *("status", "ready", "change", "you", "presence", "bye", "left", "loaded", "transport"),
        "tick",
    }
)
#: Timings of a client whose server is on the same machine.
START = {
    "tokens": ["token-1"],
    "outbox": None,
    "answer_timeout_ms": 20_000,
    "backoff_ms": {"base": 20, "cap": 100},
    "client": {"name": "suite", "version": "1"},
}


def stream_of(told: Told) -> tuple[str, str]:
    """The stream in which order is promised; each command has its own stream."""
    name = told["told"]
    return ("outcome" if name in ("ack", "error") else name), str(
        told.get("id", told.get("event", told.get("key", "")))
    )


class Driver:
    """A running driver."""

    def __init__(self, process: asyncio.subprocess.Process | Program) -> None:
        self.process = process
        self.told: list[Told] = []
        """Reports that no test has read yet, in order."""
        self._moved = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    def order(self, **order: Json) -> None:
        """Send it an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")

    def start(self, url: str, **options: Json) -> None:
        """Start a client of the server at ``url``."""
        self.order(do="start", url=url, **(START | options))

    async def expect(self, pattern: Told, memory: Memory) -> Told:
        """The next line of the pattern's stream, which must match.

        In a stream that may send at any time (``UNASKED``), lines before the matching one are
        skipped.
        """
        named = {k: memory.fill(pattern[k]) for k in ("id", "event", "key") if k in pattern}
        wanted = stream_of({"told": pattern["told"]} | named)
        deadline = time.monotonic() + PATIENCE
        while True:
            for told in [told for told in self.told if stream_of(told) == wanted]:
                if told["told"] not in UNASKED:
                    memory.match(pattern, told)
                elif not memory.fits(pattern, told):
                    continue
                self.told.remove(told)
                return told
            await self._wait(deadline, f"{pattern}")

    async def look(self, order: Json, pattern: Json, memory: Memory) -> None:
        """Send ``order`` until the answer matches."""
        deadline = time.monotonic() + PATIENCE
        while True:
            self.order(**order)
            got = await self.expect({"told": order["do"], "$more": True} | _event(order), memory)
            if memory.fits(pattern, got):
                return
            if time.monotonic() > deadline:
                raise Mismatch(f"{pattern} instead of {json.dumps(got)}")
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until ``condition`` holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(LOOK_INTERVAL_S)

    def left(self) -> list[Told]:
        """Reports that no step expected."""
        return [told for told in self.told if told["told"] not in UNASKED]

    async def _wait(self, deadline: float, what: str) -> None:
        if self._reader.done():
            raise Mismatch(f"the driver is gone; {what} never came; left: {self.told}")
        self._moved.clear()
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await self._moved.wait()
        except TimeoutError:
            raise Mismatch(f"{what} never came; left: {self.told}") from None

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            self.told.append(json.loads(line))
            self._moved.set()
        self._moved.set()

    async def end(self) -> None:
        """Close its stdin; the driver must exit by itself, without output."""
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE):
            errors = (await self.process.stderr.read()).decode()
            await self._reader
            status = await self.process.wait()
        assert not errors, errors
        assert status == 0, status


def _event(order: Json) -> Told:
    return {"event": order["event"]} if "event" in order else {}


async def _started(interpreter: str, *arguments: str) -> asyncio.subprocess.Process | Program:
    if interpreter == sys.executable:
        return await start_program(*arguments, limit=MAX_LINE_BYTES)
    return await asyncio.create_subprocess_exec(
        *(interpreter, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
    )


@asynccontextmanager
async def driving(client: str | list[str]) -> AsyncIterator[Driver]:
    """The driver of ``client``, a key of ``DRIVERS`` or the command of one.

    A missing one is an error, not a skip.
    """
    driver = Driver(await _started(*(DRIVERS[client] if isinstance(client, str) else client)))
    process = driver.process
    try:
        yield driver
        await driver.end()
    except BaseException as err:
        if process.returncode is None:
            process.kill()
        assert process.stderr is not None
        if errors := (await process.stderr.read()).decode():
            err.add_note(f"the driver said: {errors[-2000:]}")
        await driver._reader
        await process.wait()
        raise
