"""A coroutine whose share of the event loop is measured, and spread where it is large."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: Processor time of a coroutine between two pauses. The first await after it becomes a pause; a
#: longer stretch without an await is not cut. A vote waits some seven turns of the loop.
SLICE_S = 0.001
#: The longest such pause: on a busy machine, the measured time may be somebody else's.
LONGEST_PAUSE_S = 0.1


async def gently(work: Generator[None, None, T]) -> T:
    """What ``work`` returns; the event loop is left to others at each of its yields."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
        await asyncio.sleep(0)


class Metered(Generic[T]):
    """Awaits ``work`` once, like the coroutine itself; ``seconds`` is what it took of the loop.

    Only the steps of this coroutine count: not what it waits for, nor tasks it starts. With
    ``others``, each ``SLICE_S`` of it is followed by a pause of ``others`` times its length.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, T],
        *,
        idle_ratio: float = 0.0,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.seconds = 0.0
        """Processor time so far."""
        self.paused = 0.0
        """Seconds of pauses so far."""
        self._work = work
        self._idle_ratio = idle_ratio
        self._clock = clock

    def __await__(self) -> Generator[Any, None, T]:
        """Drive the coroutine as a task would, with a look at the clock around each step."""
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
                if self._idle_ratio and unpaused >= SLICE_S:
                    pause = min(unpaused * self._idle_ratio, LONGEST_PAUSE_S)
                    unpaused = 0.0
                    yield from asyncio.sleep(pause).__await__()
                    self.paused += pause
                    if awaited is None:
                        continue
                yield awaited
            except BaseException as err:
                # A task that is cancelled cancels the future it waits for. During a pause that is
                # the pause's, and the coroutine's own must not be left behind.
                if awaited is not None:
                    awaited.cancel()
                error = err
