"""Work that a server repeats for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from persistence.database.failures import Failures

#: Shortest pause after a failure, for work without an interval of its own: it would else fail again
#: at once, and keep the loop from everything else.
FAILURE_DELAY_S = 1.0

Sleep = Callable[[float], Awaitable[None]]


class Periodic:
    """Calls ``work`` again and again, ``interval`` seconds after it ended.

    What it raises is treated by the one rule of ``Failures``, and never ends the repetition.
    ``first``: seconds until the first call; ``interval`` if not given. ``sleep`` is the clock.
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
        """Begin."""
        self._task = asyncio.create_task(self._repeat(), name=self.name)

    async def stop(self) -> None:
        """End, in the middle of the work if need be."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def once(self) -> bool:
        """Do the work once; whether it succeeded."""
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
            await self._sleep(self.interval if done else max(self.interval, self._delay()))

    def _delay(self) -> float:
        return 0.0 if self.interval else FAILURE_DELAY_S
