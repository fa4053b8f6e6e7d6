"""Runs expensive work one piece at a time, with a pause after each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from protocol.errors import ErrorCode, RetryableError
from server.limits.fair_scheduler import IDLE_RATIO
from server.limits.metered import Metered

T = TypeVar("T")

#: Pieces of work that may wait; beyond that, ``busy``. One user has a few of them at most
#: (``MAX_RUNNING_QUERIES`` in ``server/limits/quotas.py``).
MAX_WAITING_WORK = 1_024
#: Milliseconds after which a client may ask again that found too many waiting.
WORK_RETRY_DELAY_MS = 2_000
#: Seconds of pause after one piece at most. On a busy machine, much of the measured time is spent
#: waiting for a processor.
MAX_WORK_PAUSE_S = 0.5


def _no_charge(seconds: float) -> None:
    """Charge the work to no user."""


class WorkThrottle:
    """Runs one coroutine at a time, in the order of the calls.

    After a piece, the event loop is free for ``idle_ratio`` times the time that the piece took, and
    the database for as long as the piece waited for it. A long piece pauses at its own awaits. The
    rest of the pause comes before the next piece, so that it delays no answer.
    """

    def __init__(
        self, *, idle_ratio: float = IDLE_RATIO, clock: Callable[[], float] = time.thread_time
    ) -> None:
        self._idle_ratio = idle_ratio
        self._clock = clock
        self._lock = asyncio.Lock()
        self._waiting = 0
        self._free_at = 0.0

    async def run(
        self,
        work: Callable[[], Coroutine[Any, Any, T]],
        charge: Callable[[float], None] = _no_charge,
    ) -> T:
        """Wait for the earlier calls, run ``work`` and return its result.

        ``charge`` receives the loop's seconds. Raises ``busy``, and the errors of ``work``.
        ``work`` must not call ``run`` itself: that would be a deadlock.
        """
        if self._waiting >= MAX_WAITING_WORK:
            raise RetryableError(ErrorCode.BUSY, retry_after_ms=WORK_RETRY_DELAY_MS)
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            async with self._lock:
                if (early := self._free_at - loop.time()) > 0:
                    await asyncio.sleep(early)
                metered = Metered(work(), idle_ratio=self._idle_ratio, clock=self._clock)
                began = loop.time()
                try:
                    return await metered
                finally:
                    now = loop.time()
                    waited = max(0.0, now - began - metered.seconds - metered.paused)
                    pause = self._idle_ratio * metered.seconds - metered.paused + waited
                    self._free_at = now + min(max(pause, 0.0), MAX_WORK_PAUSE_S)
                    charge(metered.seconds)
        finally:
            self._waiting -= 1
