"""A rate limiter for each user's requests over HTTP."""

from __future__ import annotations

import time
from collections import OrderedDict

from protocol.errors import ErrorCode, RetryableError
from server.limits.token_bucket import TokenBucket

#: Users with a bucket. Beyond that the least recently used one is dropped; that user starts with a
#: full bucket again. Ten thousand take some 2 MB.
MAX_RATED_USERS = 10_000


class UserRateLimiter:
    """One token bucket per user: ``burst`` requests at once, ``rate`` a second after that."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self.refused = 0
        """Requests over the rate."""

    def take(self, user: str) -> None:
        """Count one request. Raises ``rate_limited``."""
        now = time.monotonic()
        bucket = self._buckets.get(user)
        if bucket is None:
            bucket = self._buckets[user] = TokenBucket(self._rate, self._burst, now)
            if len(self._buckets) > MAX_RATED_USERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(user)
        if not bucket.take(now):
            self.refused += 1
            raise RetryableError(ErrorCode.RATE_LIMITED, retry_after_ms=bucket.wait_ms())
