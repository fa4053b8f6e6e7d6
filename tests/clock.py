"""A clock that moves when a test advances it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Timer:
    """A callback and its moment: what ``call_later`` returns."""

    def __init__(self, when: float, callback: Callable[..., object], arguments: tuple[Any, ...]):
        self._when = when
        self._callback = callback
        self._arguments = arguments
        self._cancelled = False

    def when(self) -> float:
        """The moment, by the loop's clock."""
        return self._when

    def cancel(self) -> None:
        """Never call it."""
        self._cancelled = True

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._cancelled

    def run(self) -> None:
        """Call it, unless it was cancelled."""
        if not self._cancelled:
            self._callback(*self._arguments)


class ClockedLoop:
    """An event loop whose time stands still until ``advance``; the rest is the running loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self._now = 1_000.0
        self._timers: list[Timer] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def time(self) -> float:
        """The loop's clock."""
        return self._now

    def call_later(
        self, delay: float, callback: Callable[..., object], *arguments: Any, context: Any = None
    ) -> Timer:
        """Call ``callback`` once the clock has been advanced by ``delay``."""
        timer = Timer(self._now + delay, callback, arguments)
        self._timers.append(timer)
        return timer

    def waiting(self) -> int:
        """The number of timers that run."""
        return sum(not timer.cancelled() for timer in self._timers)

    def advance(self, seconds: float) -> None:
        """Advance the clock, and call the callbacks that become due, in their order."""
        end = self._now + seconds
        self._timers = [timer for timer in self._timers if not timer.cancelled()]
        while due := [t for t in self._timers if not t.cancelled() and t.when() <= end]:
            timer = min(due, key=Timer.when)
            self._timers.remove(timer)
            self._now = max(self._now, timer.when())
            timer.run()
        self._now = end
