"""How long one task holds the event loop."""

from __future__ import annotations

import asyncio
from time import monotonic

#: Seconds for which commands are decided before the event loop's other work has a turn. Deciding a
#: vote takes 0.1 ms. A change of the policy with a thousand open proposals takes over 1 ms, and one
#: frame may bring 256 of them.
MAX_TURN_S = 0.005


class Turn:
    """The time of one task, since other work had the loop the last time."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = monotonic()

    @property
    def is_over(self) -> bool:
        """Whether the task has held the loop for long enough."""
        return monotonic() - self._began > MAX_TURN_S

    async def give(self) -> None:
        """Let the loop's other work run."""
        await asyncio.sleep(0)
        self._began = monotonic()
