"""Work that a server repeats until it stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from persistence.database.failures import Failures

#: Least delay after a failure. Work without an interval would otherwise fail again at once, and
#: block the event loop.
FAILURE_DELAY_S = 1.0
#: Longest delay after a failure. Work with a long interval would otherwise count as failing, and
#: stay undone, long after the database is back.
MAX_FAILURE_DELAY_S = 5.0

Sleep = Callable[[float], Awaitable[None]]


class Periodic:
    """Calls ``work`` repeatedly, each time ``interval`` seconds after it ended.

    After a failure, it waits at most ``MAX_FAILURE_DELAY_S``.

    An error in ``work`` is handled by ``Failures``, and never ends the repetition. ``first``:
    seconds until the first call, by default ``interval``. ``sleep`` is the clock.
    """

    def __init__(
        self,
        name: str,
        interval: float,
        work: Callable[[], Awaitable[object]],
        *,
        first: float | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.name = name
        self.interval = interval
        self.failures = Failures(name)
        self._work = work
        self._first = interval if first is None else first
        self._sleep = sleep
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the repetition."""
        self._task = asyncio.create_task(self._repeat(), name=self.name)

    async def stop(self) -> None:
        """Stop, cancelling the work if it is running."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def once(self) -> bool:
        """Do the work once; return whether it succeeded."""
        try:
            await self._work()
        except Exception as err:
            self.failures.failed(err)
            return False
        self.failures.succeeded()
        return True

    async def _repeat(self) -> None:
        await self._sleep(self._first)
        while True:
            done = await self.once()
            await self._sleep(self.interval if done else self._failure_delay())

    def _failure_delay(self) -> float:
        return min(self.interval, MAX_FAILURE_DELAY_S) or FAILURE_DELAY_S
