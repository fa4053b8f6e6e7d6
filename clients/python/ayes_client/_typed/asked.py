"""The arguments of queries, as a room takes them, and with the event.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class CommandStatus(TypedDict):
    """Ask what became of these commands of one's own."""

    ids: list[str]


class CommandStatusIn(CommandStatus):
    """The same, with the id of the event."""

    event: str


class EventsList(TypedDict):
    """List one's own events, newest first; ``after`` is the ``next`` of the page before."""

    after: NotRequired[str | None]
    limit: NotRequired[int]


class EventOverview(TypedDict):
    """Ask what an event is about, before joining it."""

    code: str


class KindPolicyPatch(TypedDict):
    """A merge patch on ``KindPolicy``. Fields of another rule than the merged one are dropped."""

    auto: NotRequired[bool]
    rule: NotRequired[Literal["count", "percent", "share"]]
    threshold: NotRequired[int | None]
    share: NotRequired[str | None]
    more_than: NotRequired[bool | None]
    of: NotRequired[Literal["members", "votes"] | None]


class BallotPolicyPatch(TypedDict):
    """A merge patch on ``BallotPolicy``."""

    method: NotRequired[Literal["single", "approval", "ranked"]]
    named: NotRequired[bool]


class PolicyPatch(TypedDict):
    """A merge patch on ``Policy``."""

    assumption: NotRequired[KindPolicyPatch]
    criterion: NotRequired[KindPolicyPatch]
    conclusion: NotRequired[KindPolicyPatch]
    membership_auto: NotRequired[bool]
    quorum_percent: NotRequired[int | None]
    min_open_seconds: NotRequired[int | None]
    ttl_seconds: NotRequired[int | None]
    proposer_votes: NotRequired[bool | None]
    guests: NotRequired[bool | None]
    ballot: NotRequired[BallotPolicyPatch | None]
    stances: NotRequired[list[Literal["agree", "against", "abstain"]] | None]
    decide: NotRequired[Literal["reached", "close"] | None]
    tally: NotRequired[Literal["live", "close"] | None]
    votes: NotRequired[Literal["secret", "named"] | None]
    electorate: NotRequired[Literal["now", "opening"] | None]


class EventPreviewPolicy(TypedDict):
    """Ask which pending proposals this policy would accept."""

    policy: PolicyPatch


class EventPreviewPolicyIn(EventPreviewPolicy):
    """The same, with the id of the event."""

    event: str


class CommentsList(TypedDict):
    """List older comments, newest first."""

    before: NotRequired[int | None]
    limit: NotRequired[int]


class CommentsListIn(CommentsList):
    """The same, with the id of the event."""

    event: str


class ProposalsList(TypedDict):
    """List resolved proposals, last decided first."""

    before: NotRequired[int | None]
    limit: NotRequired[int]


class ProposalsListIn(ProposalsList):
    """The same, with the id of the event."""

    event: str


class MembersList(TypedDict):
    """List all members, last joined first."""

    before: NotRequired[int | None]
    limit: NotRequired[int]
    search: NotRequired[str | None]


class MembersListIn(MembersList):
    """The same, with the id of the event."""

    event: str


class RequestsList(TypedDict):
    """List all requests to join, newest first; for admins."""

    before: NotRequired[int | None]
    limit: NotRequired[int]
    search: NotRequired[str | None]


class RequestsListIn(RequestsList):
    """The same, with the id of the event."""

    event: str


class InvitationsList(TypedDict):
    """List all invitations, newest first; for admins. ``search`` looks at names and refs."""

    before: NotRequired[int | None]
    limit: NotRequired[int]
    search: NotRequired[str | None]


class InvitationsListIn(InvitationsList):
    """The same, with the id of the event."""

    event: str


class BallotsList(TypedDict):
    """List who chose what, once an event whose ballot is ``named`` is finished."""

    before: NotRequired[str | None]
    limit: NotRequired[int]


class BallotsListIn(BallotsList):
    """The same, with the id of the event."""

    event: str


class BallotReceipt(TypedDict):
    """Ask for the proof that one's own ballot is in the journal."""


class BallotReceiptIn(BallotReceipt):
    """The same, with the id of the event."""

    event: str


class VotesList(TypedDict):
    """List who said what about a proposal whose votes are ``named``, once its tally is shown."""

    proposal: str
    before: NotRequired[str | None]
    limit: NotRequired[int]


class VotesListIn(VotesList):
    """The same, with the id of the event."""

    event: str


class TurnoutList(TypedDict):
    """List who took part in a proposal's votes or in the final ballot; for admins."""

    proposal: NotRequired[str | None]
    ballot: NotRequired[bool]
    before: NotRequired[str | None]
    limit: NotRequired[int]


class TurnoutListIn(TurnoutList):
    """The same, with the id of the event."""

    event: str
