"""How long to wait before the next attempt: full jitter.

Marc Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015): a thousand clients
that lost one server together do not come back together.
"""

from __future__ import annotations

import random
from collections.abc import Callable

#: Seconds that the first wait may take at most; each further one twice as much.
FIRST_SECONDS = 0.25
#: Seconds that no wait exceeds.
LONGEST_SECONDS = 30.0
#: Tries of one command, question or room that the server answers ``internal``: a defect may be
#: there for good, and what nobody is ever told of helps nobody.
MOST_INTERNAL = 8


class Backoff:
    """Waits that grow: the n-th is below ``first`` · 2ⁿ and below ``longest`` (seconds).

    ``chance`` gives a number of [0, 1).
    """

    def __init__(
        self,
        first: float = FIRST_SECONDS,
        longest: float = LONGEST_SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._chance = chance
        self.attempts = 0

    def next(self) -> float:
        """Seconds to wait now."""
        ceiling: float = min(self._longest, self._first * 2 ** min(self.attempts, 16))
        self.attempts += 1
        return self._chance() * ceiling

    def reset(self) -> None:
        """It went well: the next wait is a short one."""
        self.attempts = 0
