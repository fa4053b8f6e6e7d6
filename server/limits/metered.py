"""Measures a coroutine's share of the event loop, and spreads a large one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Seconds of processor time between two pauses. The first await after it becomes a pause; code
#: without an await is not interrupted. A vote takes about seven iterations of the loop, so this
#: bounds what a long query adds to it.
METERED_SLICE_S = 0.001
#: Seconds of one pause at most. On a busy machine, the measured time may belong to other processes.
MAX_METERED_PAUSE_S = 0.1


async def gently(work: Generator[None, None, T]) -> T:
    """Run ``work``, with an iteration of the event loop at each of its yields."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)


class Metered(Generic[T]):
    """Awaits ``work`` once and measures the loop's time that it takes, in ``seconds``.

    Only this coroutine's own steps count, without its waits and without tasks that it starts. If
    ``idle_ratio`` is not 0, a pause follows each ``METERED_SLICE_S``, that many times as long.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, T],
        *,
        idle_ratio: float = 0.0,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.seconds = 0.0
        """Seconds of processor time so far."""
        self.paused = 0.0
        """Seconds of pauses so far."""
        self._work = work
        self._idle_ratio = idle_ratio
        self._clock = clock

    def __await__(self) -> Generator[Any, None, T]:
        """Drive the coroutine as a task would, and read the clock around each step."""
        error: BaseException | None = None
        unpaused = 0.0
        while True:
            began = self._clock()
            try:
                awaited = self._work.send(None) if error is None else self._work.throw(error)
            except StopIteration as end:
                result: T = end.value
                return result
            finally:
                took = self._clock() - began
                self.seconds += took
                unpaused += took
            error = None
            try:
                if self._idle_ratio and unpaused >= METERED_SLICE_S:
                    pause = min(unpaused * self._idle_ratio, MAX_METERED_PAUSE_S)
                    unpaused = 0.0
                    yield from asyncio.sleep(pause).__await__()
                    self.paused += pause
                    if awaited is None:
                        continue
                yield awaited
            except BaseException as err:
                # A cancelled task cancels the future that it waits for. During a pause that is the
                # pause's future; the coroutine's own must be cancelled here.
                if awaited is not None:
                    awaited.cancel()
                error = err
