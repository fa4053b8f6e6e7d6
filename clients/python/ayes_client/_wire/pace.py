"""A client's own measure of what the server takes, so that it is seldom told to slow down."""

from __future__ import annotations

#: Share of the server's figures that is used: messages bunch up on their way.
SHARE = 0.9


class Pace:
    """A token bucket after ``welcome.limits``. The clock (seconds) is passed in."""

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._rate = max(per_second * SHARE, 1.0)
        self._burst = max(burst * SHARE, 1.0)
        self._tokens = self._burst
        self._at = now

    def allowed(self, now: float) -> int:
        """How many messages may be sent now."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return int(self._tokens)

    def spend(self, count: int) -> None:
        """``count`` messages were sent."""
        self._tokens -= count

    def wait(self) -> float:
        """Seconds until one more may be sent."""
        return max(0.0, (1 - self._tokens) / self._rate)
