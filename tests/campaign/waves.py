"""Commands in waves: the more faults wait for their turn, the longer the senders rest together.

If the rests were spread evenly, few commands would be under way when a fault strikes. A wave has
all of them at once, on a fast machine too.
"""

from __future__ import annotations

import asyncio

#: Longest that a fault waits for a wave.
WAVE_SECONDS = 2.5


class Waves:
    """The rests of one round's senders."""

    def __init__(self) -> None:
        self._next: asyncio.Event | None = None

    async def rest(self, seconds: float) -> None:
        """Wait for the next wave: it goes ``seconds`` after the first sender began to wait."""
        if self._next is None:
            self._next = asyncio.Event()
            asyncio.get_running_loop().call_later(seconds, self._go)
        await self._next.wait()

    async def sent(self) -> None:
        """Return when the next wave is under way, or at once if no sender rests."""
        if self._next is None:
            return
        try:
            async with asyncio.timeout(WAVE_SECONDS):
                await self._next.wait()
        except TimeoutError:
            return
        # The senders were waiting before, so by the second turn of the loop each has sent.
        for _ in range(3):
            await asyncio.sleep(0)

    def _go(self) -> None:
        if self._next is not None:
            self._next.set()
            self._next = None
