"""How late the event loop runs what is due, and how long the garbage collector stops it."""

from __future__ import annotations

import asyncio
import gc
from time import monotonic, perf_counter
from typing import Any, Final

from persistence.database.histogram import Histogram

#: Seconds between two measurements of the loop's lag. A shorter interval would wake an idle server
#: more often.
LAG_INTERVAL_S: Final = 0.5
#: The collector's generations (``gc.get_threshold()``).
GENERATIONS: Final = 3


class EventLoopMonitor:
    """Measures from ``start`` to ``stop``."""

    def __init__(self) -> None:
        self.lag_seconds = Histogram()
        self.pause_seconds = tuple(Histogram() for _ in range(GENERATIONS))
        """Pauses for a collection, by generation."""
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._began = 0.0

    def start(self) -> None:
        """Start measuring, in the running loop."""
        gc.callbacks.append(self._on_collection)
        self._schedule(asyncio.get_running_loop())

    def stop(self) -> None:
        """Stop measuring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            gc.callbacks.remove(self._on_collection)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = monotonic() + LAG_INTERVAL_S
        self._timer = loop.call_later(LAG_INTERVAL_S, self._on_time, loop)

    def _on_time(self, loop: asyncio.AbstractEventLoop) -> None:
        self.lag_seconds.observe(max(0.0, monotonic() - self._due))
        self._schedule(loop)

    def _on_collection(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = perf_counter()
        elif self._began:
            self.pause_seconds[info["generation"]].observe(perf_counter() - self._began)
