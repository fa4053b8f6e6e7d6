"""A token bucket: how many messages a socket may send."""

from __future__ import annotations

import math


class TokenBucket:
    """``rate`` a second, and ``burst`` at once. The clock (seconds) is passed in."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def has(self, now: float, tokens: float = 1) -> bool:
        """Whether there are so many ``tokens``; one is what one more needs."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens >= tokens

    def take(self, now: float) -> bool:
        """Whether one more is allowed; if so, it is spent."""
        if not self.has(now):
            return False
        self._tokens -= 1
        return True

    def spend(self, amount: float = 1.0) -> None:
        """Count what was not asked for first; it is never short of more than a burst."""
        self._tokens = max(self._tokens - amount, -self._burst)

    def spend_many(self, tokens: float, now: float) -> bool:
        """Whether so many ``tokens`` are allowed; if so, they are spent."""
        if not self.has(now, tokens):
            return False
        self._tokens -= tokens
        return True

    def give(self, tokens: float) -> None:
        """Give back what was spent for nothing."""
        self._tokens = min(self._burst, self._tokens + tokens)

    def wait_ms(self, tokens: float = 1) -> int:
        """Milliseconds until so many are allowed again, at least 1."""
        return max(1, math.ceil((tokens - self._tokens) / self._rate * 1000))
