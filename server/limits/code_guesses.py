"""A rate limit on wrong entrance codes, since codes are short enough to be guessed.

It is checked before the look-up and again before the answer. So many guesses in flight together
get no more answers than the same number one after the other.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from handlers.lanes.decide import Answer, Reply, Submission, failed
from protocol.errors import ErrorCode, RetryableError
from server.limits.token_bucket import TokenBucket

#: Wrong codes that a user may try at once, and per second after that; beyond, ``rate_limited``. At
#: this rate one user needs centuries for all 36^6 codes.
GUESS_BURST = 10
GUESSES_PER_SECOND = 0.1
#: Users with a bucket. Beyond that the least recently used one is forgotten.
MAX_GUESSING_USERS = 10_000


class CodeGuessLimiter:
    """One token bucket of wrong codes per user."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self.on_failed: Callable[[str], None] = lambda user: None
        """Called with each user who tried a wrong code here."""

    def check(self, user: str) -> None:
        """Raise ``rate_limited`` if ``user`` has tried too many wrong codes."""
        bucket = self._buckets.get(user)
        if bucket is not None and not bucket.has(time.monotonic()):
            raise RetryableError(
                ErrorCode.RATE_LIMITED, "too many wrong codes", retry_after_ms=bucket.wait_ms()
            )

    def failed(self, user: str) -> None:
        """Count a wrong code of ``user``."""
        now = time.monotonic()
        self._bucket(user, now).take(now)
        self.on_failed(user)

    def failed_elsewhere(self, user: str, count: int) -> None:
        """Count wrong codes of ``user`` at another node; those beyond the bucket are a debt."""
        now = time.monotonic()
        bucket = self._bucket(user, now)
        bucket.has(now)
        bucket.spend(count)

    def _bucket(self, user: str, now: float) -> TokenBucket:
        bucket = self._buckets.get(user)
        if bucket is None:
            bucket = self._buckets[user] = TokenBucket(GUESSES_PER_SECOND, GUESS_BURST, now)
            if len(self._buckets) > MAX_GUESSING_USERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(user)
        return bucket

    def counting(self, reply: Reply) -> Reply:
        """Wrap ``reply`` to a ``membership.join``: count a code that was retired meanwhile."""

        def heard(submission: Submission, answer: Answer) -> None:
            if answer.error == ErrorCode.NOT_FOUND:
                self.failed(submission.actor.user)
            reply(submission, answer)

        return heard

    def hiding_taken_codes(self, reply: Reply) -> Reply:
        """Wrap ``reply`` to an ``event.create`` with a code: count the answer that it is taken.

        That answer reveals a code in use, so it is limited like a wrong guess. The refusal is not
        recorded in the journal, so ``rate_limited`` in its place is equally true.
        """

        def heard(submission: Submission, answer: Answer) -> None:
            user = submission.actor.user
            if answer.error == ErrorCode.VERSION_CONFLICT:
                try:
                    self.check(user)
                except RetryableError as err:
                    answer = failed(submission, err)
                else:
                    self.failed(user)
            reply(submission, answer)

        return heard
