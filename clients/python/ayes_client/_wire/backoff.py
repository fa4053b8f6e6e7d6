"""How long to wait before the next attempt: exponential backoff with full jitter.

Marc Brooker, "Exponential Backoff and Jitter" (AWS Architecture Blog, 2015): a thousand clients
that lost one server together do not come back together.
"""

from __future__ import annotations

import random
from collections.abc import Callable

#: Longest first wait, in seconds; each further one may be twice as long. A dropped packet costs
#: little.
FIRST_DELAY_S = 0.25
#: Longest wait of all, in seconds. A server that comes back is found within half a minute.
MAX_DELAY_S = 30.0
#: Tries of one command, query or subscription that the server answers ``internal``. Beyond, the
#: error is raised: a defect may be there for good.
MAX_INTERNAL_TRIES = 8


class Backoff:
    """Waits that grow: the n-th is random below ``first`` · 2ⁿ and below ``longest`` (seconds).

    ``random`` returns a number of [0, 1).
    """

    def __init__(
        self,
        first: float = FIRST_DELAY_S,
        longest: float = MAX_DELAY_S,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._first = first
        self._longest = longest
        self._random = random
        self.attempts = 0

    def next(self) -> float:
        """Return the seconds to wait now."""
        ceiling: float = min(self._longest, self._first * 2 ** min(self.attempts, 16))
        self.attempts += 1
        return self._random() * ceiling

    def reset(self) -> None:
        """Start again with a short wait, after a success."""
        self.attempts = 0
