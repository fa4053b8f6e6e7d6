"""The share of the event loop for all sockets over budget together, however many they are."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Protocol

#: Seconds of one round of slices; its last slice may exceed it, a batch of 256 messages by some 3
#: ms. A vote takes about seven iterations of the loop, and a round may delay each of them.
MAX_ROUND_S = 0.0005
#: The pause after a round, as a multiple of its length. At 4, sockets over budget get a fifth of a
#: processor at most, and the rest of the loop stays free for other work. A larger ratio speeds up
#: other sockets' votes a little, but draining a flood takes proportionally longer.
IDLE_RATIO = 4
#: Seconds of the shortest pause: the resolution of uvloop's timers.
MIN_PAUSE_S = 0.001
#: Seconds of the longest pause. A longer measured round is taken for time in which the process did
#: not run, on a busy machine.
MAX_PAUSE_S = 0.01


class Runnable(Protocol):
    """A socket with unread input, or a session with queued messages."""

    def run_slice(self) -> None:
        """Process one slice; call ``wait`` again if there is more. Must not raise."""


class FairScheduler:
    """Runs the slices of one loop's sockets over budget, longest waiting first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, idle_ratio: float = IDLE_RATIO) -> None:
        self._loop = loop
        self._idle_ratio = idle_ratio
        self._charged = 0.0
        self._waiting: deque[Runnable] = deque()
        self._is_due = False
        self._pause = MIN_PAUSE_S

    def wait(self, socket: Runnable) -> None:
        """Queue ``socket``: its ``run_slice`` is called once."""
        self._waiting.append(socket)
        if not self._is_due:
            self._is_due = True
            self._loop.call_later(self._pause, self._run_round)

    @property
    def busy(self) -> bool:
        """Return whether sockets wait, or a round has just ended."""
        return self._is_due

    def charge(self, seconds: float) -> None:
        """Add to the running slice the seconds of work that it leaves for later."""
        self._charged += seconds

    def _run_round(self) -> None:
        begun = now = perf_counter()
        self._charged = 0.0
        try:
            while self._waiting and now + self._charged < begun + MAX_ROUND_S:
                self._waiting.popleft().run_slice()
                now = perf_counter()
        finally:
            # Also if a slice raises: the other sockets must still get their round.
            had = now - begun + self._charged
            self._pause = min(max(MIN_PAUSE_S, self._idle_ratio * had), MAX_PAUSE_S)
            self._is_due = bool(self._waiting)
            if self._is_due:
                self._loop.call_later(self._pause, self._run_round)
