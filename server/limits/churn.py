"""What one user may do again and again in one event, and store in a day."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from protocol import commands as c
from server.limits.charges import Charges
from server.limits.token_bucket import TokenBucket

if TYPE_CHECKING:
    from handlers.lanes.decide import Submission
    from server.config.settings import Settings

_MEMBERSHIP: Final = (c.MembershipJoin, c.MembershipCancel, c.MembershipLeave)
_VOTES: Final = (c.VoteCast, c.VoteRetract)
_COMMENTS: Final = (c.CommentAdd, c.CommentEdit, c.CommentRemove)
#: The time in which a budget of churn is whole again.
CHURN_PERIOD_S: Final = 60.0
#: The time in which a user's bytes are whole again.
BYTES_PERIOD_S: Final = 86_400.0
#: Bytes that a row of the journal has beside the command, about.
ROW_BYTES: Final = 256
#: Users whose bytes are remembered, least recently used first out: some 2 MiB. A user cannot push
#: out their own entry, which each command makes the newest.
MAX_METERED_USERS: Final = 10_000


class Churn:
    """The budgets of each user on this node, over all sockets and HTTP.

    The clock (seconds) is passed in.
    """

    def __init__(self, settings: Settings) -> None:
        self._charges: dict[type[c.Command], Charges] = {}
        for kinds, a_minute in (
            (_MEMBERSHIP, settings.churn_membership),
            (_VOTES, settings.churn_votes),
            (_COMMENTS, settings.churn_comments),
        ):
            if a_minute:
                self._charges |= dict.fromkeys(kinds, Charges(a_minute / CHURN_PERIOD_S, a_minute))
        self._most_bytes = settings.user_bytes_per_day
        self._bytes: OrderedDict[str, TokenBucket] = OrderedDict()

    def charge(self, submission: Submission, event: str, now: float) -> int:
        """Count a command; 0, or the milliseconds after which it may come again."""
        wait = self._charge_bytes(submission, now) if self._most_bytes else 0
        command: Any = submission.command
        charges = self._charges.get(type(command))
        if wait or charges is None:
            return wait
        # Votes are counted for each proposal.
        proposal = getattr(command, "proposal", None) if type(command) in _VOTES else None
        name = event if proposal is None else f"{event} {proposal}"
        return charges.charge(submission.actor.user, name, command.id, now)

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
