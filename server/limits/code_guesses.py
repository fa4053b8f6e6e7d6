"""Entrance codes are short, so guessing them is made slow: a few wrong ones, then a long wait.

Checked before a code is looked up and again before the answer is given: of many guesses that are
under way together no more are answered than of as many that come one after another.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from handlers.lanes.decide import Answer, Reply, Submission, failed
from protocol.errors import ErrorCode, RetryableError
from server.limits.token_bucket import TokenBucket

#: Wrong codes a user may try at once, and how many a second after that. At this pace one user
#: needs centuries for the 36^6 codes there are.
GUESS_BURST = 10
GUESSES_PER_SECOND = 0.1
#: Users remembered; the longest quiet one is forgotten first.
MAX_GUESSING_USERS = 10_000


class CodeGuessLimiter:
    """Wrong codes per user."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def check(self, user: str) -> None:
        """Raise ``rate_limited`` where ``user`` has guessed wrong too often."""
        bucket = self._buckets.get(user)
        if bucket is not None and not bucket.has(time.monotonic()):
            raise RetryableError(
                ErrorCode.RATE_LIMITED, "too many wrong codes", retry_after_ms=bucket.wait_ms()
            )

    def failed(self, user: str) -> None:
        """``user`` tried a code that opens nothing."""
        now = time.monotonic()
        bucket = self._buckets.get(user)
        if bucket is None:
            bucket = self._buckets[user] = TokenBucket(GUESSES_PER_SECOND, GUESS_BURST, now)
            if len(self._buckets) > MAX_GUESSING_USERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(user)
        bucket.take(now)

    def counting(self, reply: Reply) -> Reply:
        """``reply`` for a ``membership.join``: a code that was retired meanwhile is a wrong one."""

        def heard(submission: Submission, answer: Answer) -> None:
            if answer.error == ErrorCode.NOT_FOUND:
                self.failed(submission.actor.user)
            reply(submission, answer)

        return heard

    def hiding_taken_codes(self, reply: Reply) -> Reply:
        """``reply`` for an ``event.create`` that names its code: who is told that it is taken has
        found one, and is told no more of them than of wrong ones.

        The refusal is not remembered, so that another answer in its place is as true.
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
