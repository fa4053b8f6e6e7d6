"""How many bytes the guard takes from attackers, and the clock of its deadlines.

A loaded machine is not punctual, so no test asserts a time. Floods are bounded by counts, by the
published rate and the server's own clock. Deadlines are over once a clock that the test moves has
passed them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest

from server.sessions.flood import BAD_FRAMES_PER_SECOND, MAX_BAD_FRAMES
from server.transport.budgets import Budgets, guarded
from server.transport.frame_reader import BYTES_PER_CHARGE
from server.transport.guard import GuardedWebSocket
from server.transport.guard_http import GuardedHttp
from tests.attacks.floods import MESSAGES_IN_A_BATCH
from tests.clock import ClockedLoop

#: Bytes at a flood's beginning: the request, hello, and the part of a slice after the last frame.
BEGINNING = 8_192
#: Turns of the loop that count as a second of a ticking clock; a good handshake takes about ten.
TURNS_PER_TICK, TICK_S = 10, 0.1
#: Real seconds that the last turn of a tick lasts, so that other processes can run.
IDLE_S = 0.001


@dataclass
class Taken:
    """The input of one socket, until the server stopped reading it."""

    begun: float
    ended: float
    size: int = 0
    """Bytes that were read and parsed; bytes that are read only to be discarded do not count."""

    @property
    def seconds(self) -> float:
        """Seconds by the server's loop, from the first byte to the last one that was parsed."""
        return self.ended - self.begun


def allowance(name: str, budgets: Budgets, frame: int, seconds: float) -> float:
    """The maximum of bytes taken from flood ``name`` in ``seconds`` by the server's clock.

    Its frames have ``frame`` bytes each.
    """
    data = budgets.frame_burst + budgets.frame_rate * seconds
    controls = budgets.controls_per_second * (1 + seconds)
    # Each message is taken or refused, and as many may be refused as taken.
    messages = 2 * (budgets.burst + budgets.commands_per_second * seconds)
    frames = {
        "messages": min(data, messages),
        "messages in batches": messages / MESSAGES_IN_A_BATCH,
        "fragments": budgets.max_fragments,
        "empty fragments": budgets.max_fragments,
        "one long message": budgets.message_bytes / frame,
        # Each counts once more for each 16 KiB.
        "too large, again and again": data / (1 + frame // BYTES_PER_CHARGE),
        "no JSON": MAX_BAD_FRAMES + BAD_FRAMES_PER_SECOND * seconds,
    }
    return BEGINNING + (frames.get(name, controls) + 1) * frame


def count_input(monkeypatch: pytest.MonkeyPatch) -> dict[int, Taken]:
    """Count each WebSocket's input from now on, by the port of its peer."""
    found: dict[int, Taken] = {}
    feed = GuardedWebSocket.feed_slice

    def counted(guard: GuardedWebSocket, data: bytes, *, more: bool) -> int:
        if guard.is_discarding() or guard.socket.is_closed:
            return feed(guard, data, more=more)
        now = guard.loop.time()
        peer = guard.transport.get_extra_info("peername")
        taken = found.setdefault(peer[1] if peer else 0, Taken(now, now))
        size = feed(guard, data, more=more)
        taken.size += size
        taken.ended = now
        return size

    monkeypatch.setattr(GuardedWebSocket, "feed_slice", counted)
    return found


class GuardClock:
    """The clock of the guard's deadlines; everything else uses the loop's clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = ClockedLoop(asyncio.get_running_loop())
        self.heard: dict[int, int] = {}
        """Bytes that arrived before an upgrade, by the port of the peer."""
        for guard in (GuardedHttp, GuardedWebSocket):
            monkeypatch.setattr(guard, "__init__", self._clocked(guard.__init__))
        monkeypatch.setattr(GuardedHttp, "data_received", self._heard(GuardedHttp.data_received))

    def advance(self, seconds: float) -> None:
        """Move the clock of every connection."""
        self._loop.advance(seconds)

    @asynccontextmanager
    async def ticking(self) -> AsyncIterator[None]:
        """Advance the clock by turns of the event loop, however long a turn takes."""
        task = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def _tick(self) -> None:
        while True:
            for _ in range(TURNS_PER_TICK - 1):
                await asyncio.sleep(0)
            # An idle loop would take the processor from the database.
            await asyncio.sleep(IDLE_S)
            self.advance(TICK_S)

    def _clocked(self, init: Any) -> Any:
        def clocked(
            guard: Any, config: Any, server_state: Any, app_state: Any, _loop: Any = None
        ) -> None:
            loop = _loop or asyncio.get_running_loop()
            guarded(config).connections_state(loop)  # shared deadlines: the loop's clock
            init(guard, config, server_state, app_state, cast("Any", self._loop))

        return clocked

    def _heard(self, received: Any) -> Any:
        def heard(guard: GuardedHttp, data: bytes) -> None:
            port = guard.transport.get_extra_info("peername")[1]
            self.heard[port] = self.heard.get(port, 0) + len(data)
            received(guard, data)

        return heard
