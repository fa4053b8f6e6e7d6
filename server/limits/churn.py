"""Rate limits on churn: joining and leaving, voting and retracting, commenting; and daily bytes."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from protocol import commands as c
from server.limits.rate_limiter import RateLimiter
from server.limits.token_bucket import TokenBucket

if TYPE_CHECKING:
    from handlers.lanes.decide import Submission
    from server.config.settings import Settings

_MEMBERSHIP: Final = (
    *(c.MembershipJoin, c.MembershipCancel),
    *(c.MembershipLeave, c.MembershipRename),
)
_VOTES: Final = (c.VoteCast, c.VoteRetract)
_COMMENTS: Final = (c.CommentAdd, c.CommentEdit, c.CommentRemove)
#: Seconds in which an exhausted budget of churn is full again.
CHURN_PERIOD_S: Final = 60.0
#: Seconds in which a user's exhausted budget of bytes is full again.
BYTES_PERIOD_S: Final = 86_400.0
#: Bytes of a journal row in addition to its command, roughly.
ROW_BYTES: Final = 256
#: Users whose bytes are counted, some 2 MiB. Beyond that the least recently used entry is dropped.
#: A user cannot push out their own entry, since each command makes it the newest.
MAX_METERED_USERS: Final = 10_000


class Churn:
    """The budgets of each user on this node, over all sockets and HTTP.

    The caller passes the clock, in seconds.
    """

    def __init__(self, settings: Settings) -> None:
        self.refused = 0
        """Commands refused over the rate of repeated acts."""
        self.refused_bytes = 0
        """Commands refused over the sender's bytes of a day."""
        self._charges: dict[type[c.Command], RateLimiter] = {}
        for kinds, a_minute in (
            (_MEMBERSHIP, settings.churn_membership),
            (_VOTES, settings.churn_votes),
            (_COMMENTS, settings.churn_comments),
        ):
            if a_minute:
                self._charges |= dict.fromkeys(
                    kinds, RateLimiter(a_minute / CHURN_PERIOD_S, a_minute)
                )
        self._most_bytes = settings.user_bytes_per_day
        self._bytes: OrderedDict[str, TokenBucket] = OrderedDict()

    def charge(self, submission: Submission, event: str, now: float) -> int:
        """Charge a command; return 0, or the milliseconds after which it may be sent again."""
        wait = self._charge_bytes(submission, now) if self._most_bytes else 0
        self.refused_bytes += wait > 0
        command: Any = submission.command
        charges = self._charges.get(type(command))
        if wait or charges is None:
            return wait
        # Votes have one budget per proposal.
        proposal = getattr(command, "proposal", None) if type(command) in _VOTES else None
        name = event if proposal is None else f"{event} {proposal}"
        wait = charges.charge(submission.actor.user, name, command.id, now)
        self.refused += wait > 0
        return wait

    def _charge_bytes(self, submission: Submission, now: float) -> int:
        user = submission.actor.user
        bucket = self._bytes.get(user)
        if bucket is None:
            rate = self._most_bytes / BYTES_PERIOD_S
            bucket = self._bytes[user] = TokenBucket(rate, self._most_bytes, now)
            if len(self._bytes) > MAX_METERED_USERS:
                self._bytes.popitem(last=False)
        else:
            self._bytes.move_to_end(user)
        size = min(len(submission.payload) + ROW_BYTES, self._most_bytes)
        return 0 if bucket.spend_many(size, now) else bucket.wait_ms(size)
