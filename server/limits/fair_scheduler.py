"""The time of the event loop that all eager sockets share, however many they are."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Protocol

#: Seconds in one go for all of them; the slice with which they end may take longer, a batch of 256
#: some 3 ms. A vote is about seven turns of the loop from its frame to its ack; eight sockets with
#: 1,000 messages each, all read as they came, held it for 30 to 100 ms.
MAX_ROUND_S = 0.0005
#: The loop's time for everybody else, as a multiple of what the eager ones had: they take a fifth
#: of a processor at most, which also leaves one to the database. With no pause at all a vote took
#: 4.2 times as long under such a flood, with twice their time 2.1 to 2.9 times, with five times 1.5
#: to 2.0 times (p99). What they say all the longer: a flood of large frames some 4 s and not 1.
IDLE_RATIO = 4
#: The shortest such pause: what uvloop's clock can tell.
MIN_PAUSE_S = 0.001
#: The longest: on a busy machine it may be the server that was not running meanwhile.
MAX_PAUSE_S = 0.01


class Runnable(Protocol):
    """A socket that has more to say, or a session that has more to take up."""

    def run_slice(self) -> None:
        """Take in one slice, and wait again where there is more. Must not raise."""


class FairScheduler:
    """The eager sockets of one loop, one slice after another, the longest waiting first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, idle_ratio: float = IDLE_RATIO) -> None:
        self._loop = loop
        self._idle_ratio = idle_ratio
        self._charged = 0.0
        self._waiting: deque[Runnable] = deque()
        self._is_due = False
        self._pause = MIN_PAUSE_S

    def wait(self, socket: Runnable) -> None:
        """``socket`` has more; its ``run_slice`` is called once."""
        self._waiting.append(socket)
        if not self._is_due:
            self._is_due = True
            self._loop.call_later(self._pause, self._run_round)

    @property
    def busy(self) -> bool:
        """Whether some wait, or have just had their turn."""
        return self._is_due

    def charge(self, seconds: float) -> None:
        """Count what the turn that is being taken leaves to be done after it."""
        self._charged += seconds

    def _run_round(self) -> None:
        begun = now = perf_counter()
        self._charged = 0.0
        try:
            while self._waiting and now + self._charged < begun + MAX_ROUND_S:
                self._waiting.popleft().run_slice()
                now = perf_counter()
        finally:
            # Whatever becomes of one of them, the others are not left waiting for ever.
            had = now - begun + self._charged
            self._pause = min(max(MIN_PAUSE_S, self._idle_ratio * had), MAX_PAUSE_S)
            self._is_due = bool(self._waiting)
            if self._is_due:
                self._loop.call_later(self._pause, self._run_round)
