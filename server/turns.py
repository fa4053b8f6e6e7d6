"""The time of the event loop that all eager sockets share, however many they are."""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter
from typing import Protocol

#: Seconds in one go for all of them; the slice with which they end may take longer, a batch of 256
#: some 3 ms. A vote is about seven turns of the loop from its frame to its ack; eight sockets with
#: 1,000 messages each, all read as they came, held it for 30 to 100 ms.
TURN_S = 0.0005
#: The loop's time for everybody else, as a multiple of what the eager ones had: they take a third
#: of a processor at most, which also leaves one to the database. With no pause at all a vote took
#: 4.2 times as long under such a flood, with this one 1.5 times (p99, in one run).
OTHERS = 2
#: The shortest such pause: what uvloop's clock can tell.
SHORTEST_S = 0.001
#: The longest: on a busy machine it may be the server that was not running meanwhile.
LONGEST_S = 0.01


class Waiting(Protocol):
    """A socket that has more to say."""

    def take_turn(self) -> None:
        """Take in one slice, and wait again where there is more. Must not raise."""


class Turns:
    """The eager sockets of one loop, one slice after another, the longest waiting first."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Waiting] = deque()
        self._is_due = False
        self._pause = SHORTEST_S

    def wait(self, socket: Waiting) -> None:
        """``socket`` has more; its ``take_turn`` is called once."""
        self._waiting.append(socket)
        if not self._is_due:
            self._is_due = True
            self._loop.call_later(self._pause, self._take)

    def _take(self) -> None:
        begun = now = perf_counter()
        try:
            while self._waiting and now < begun + TURN_S:
                self._waiting.popleft().take_turn()
                now = perf_counter()
        finally:
            # Whatever becomes of one of them, the others are not left waiting for ever.
            self._pause = min(max(SHORTEST_S, OTHERS * (now - begun)), LONGEST_S)
            self._is_due = bool(self._waiting)
            if self._is_due:
                self._loop.call_later(self._pause, self._take)
