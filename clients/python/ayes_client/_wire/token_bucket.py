"""A token bucket after ``welcome.limits``: the client slows down before the server asks it to."""

from __future__ import annotations

#: Share of the server's figures that is used: messages bunch up on their way.
USED_SHARE = 0.9


class TokenBucket:
    """How many messages may be sent now. ``now`` is in seconds of any steady clock."""

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._rate = max(per_second * USED_SHARE, 1.0)
        self._burst = max(burst * USED_SHARE, 1.0)
        self._tokens = self._burst
        self._at = now

    def allowed(self, now: float) -> int:
        """Return how many messages may be sent now."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return int(self._tokens)

    def spend(self, count: int) -> None:
        """Count ``count`` messages as sent."""
        self._tokens -= count

    def wait(self) -> float:
        """Return the seconds until one more may be sent."""
        return max(0.0, (1 - self._tokens) / self._rate)
