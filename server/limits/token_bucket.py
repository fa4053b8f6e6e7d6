"""A token bucket: the algorithm of every rate limit here."""

from __future__ import annotations

import math


class TokenBucket:
    """Holds up to ``burst`` tokens and gains ``rate`` a second.

    The caller passes the clock, in seconds.
    """

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = now

    def has(self, now: float, tokens: float = 1) -> bool:
        """Return whether the bucket holds ``tokens``."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return self._tokens >= tokens

    def take(self, now: float) -> bool:
        """Spend one token; return ``False`` if there is none."""
        # Once a message: without a call of ``has``.
        tokens = self._tokens + (now - self._at) * self._rate
        if tokens > self._burst:
            tokens = self._burst
        self._at = now
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True

    def spend(self, amount: float = 1.0) -> None:
        """Spend ``amount`` unconditionally; the debt is at most one burst."""
        self._tokens = max(self._tokens - amount, -self._burst)

    def spend_many(self, tokens: float, now: float) -> bool:
        """Spend ``tokens``; return ``False`` if the bucket holds fewer."""
        if not self.has(now, tokens):
            return False
        self._tokens -= tokens
        return True

    def give(self, tokens: float) -> None:
        """Return ``tokens`` that were spent for nothing."""
        self._tokens = min(self._burst, self._tokens + tokens)

    def wait_ms(self, tokens: float = 1) -> int:
        """Return the milliseconds until the bucket holds ``tokens``, at least 1."""
        return max(1, math.ceil((tokens - self._tokens) / self._rate * 1000))
