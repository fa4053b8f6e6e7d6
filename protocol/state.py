"""The content of a room: ``state`` for each audience, and ``you``.

Collections are objects keyed by id, always present, even if empty. A field without a value is
absent, never ``null``; only patches have ``null``, which removes. Times are RFC 3339, UTC,
milliseconds, ``Z``. A client must ignore fields that it does not know.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from protocol.commands import Category, Role
from protocol.fields import EntranceCode, MaxMembers, Ordinal, Position, UserId, Version
from protocol.policy import (
    BallotMethod,
    Base,
    ProposalKind,
    Rule,
    Share,
    Stance,
    Threshold,
)
from protocol.policy_view import EventPolicy as EventPolicy
from protocol.policy_view import Terms as Terms
from protocol.policy_view import View as View

EventStatus: TypeAlias = Literal["not_started", "in_progress", "paused", "finished"]
MembershipStatus: TypeAlias = Literal["pending", "accepted", "rejected", "left", "removed"]
ProposalStatus: TypeAlias = Literal["pending", "accepted", "rejected", "deleted"]
InvitationStatus: TypeAlias = Literal["open", "used", "revoked"]
Resolution: TypeAlias = Literal[
    "auto_votes",
    "admin",
    "revert",
    "expired",
    "withdrawn",
    "moderated",
    "target_deleted",
    "event_finished",
]

EventId = Annotated[
    str,
    Meta(
        pattern=r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z",
        description="An event's id: the UUIDv5 of its creator and the id of `event.create`.",
        examples=["0190a4d2-9f0e-5c5e-9d0a-617965732e31"],
    ),
]
OptionId = Annotated[str, Meta(pattern=r"\Ao_[a-z2-7]{16}\Z")]
AssumptionId = Annotated[str, Meta(pattern=r"\Aa_[a-z2-7]{16}\Z")]
CriterionId = Annotated[str, Meta(pattern=r"\Ac_[a-z2-7]{16}\Z")]
ItemId = Annotated[str, Meta(pattern=r"\A[ac]_[a-z2-7]{16}\Z")]
ProposalId = Annotated[str, Meta(pattern=r"\Ap_[a-z2-7]{16}\Z")]
InvitationId = Annotated[str, Meta(pattern=r"\Ai_[a-z2-7]{16}\Z")]
CommentId = Annotated[str, Meta(pattern=r"\Am_[a-z2-7]{16}\Z")]
Time = Annotated[
    str,
    Meta(
        pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z",
        description="RFC 3339, UTC, milliseconds.",
        examples=["2026-11-23T08:00:00.000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
Count = Annotated[int, Meta(ge=0)]
Rank = Annotated[int, Meta(ge=1)]


class Event(View, kw_only=True):
    """The event itself. ``criteria_rev`` grows if a criterion is added or deleted.

    At ``starts_at`` and ``ends_at`` the server starts and finishes the event. An ``ends_at`` that
    lies ahead at a pause moves by the pause's length.
    """

    id: EventId
    subject: str
    status: EventStatus
    entrance_code: EntranceCode
    max_members: MaxMembers
    policy: EventPolicy
    policy_version: Version
    criteria_rev: Version
    created_at: Time
    starts_at: Time | UnsetType = UNSET
    ends_at: Time | UnsetType = UNSET


class ApplicantEvent(View, kw_only=True):
    """The event as applicants see it."""

    id: EventId
    subject: str
    status: EventStatus


class Option(View, kw_only=True):
    """An option of the final ballot. Positions give the order; they have gaps."""

    content: str
    position: Count


class Assumption(View, kw_only=True):
    """A premise of the decision. ``version`` starts at 1 and grows by 1 with each change."""

    content: str
    version: Version
    position: Count


class Criterion(View, kw_only=True):
    """A measure for the options, with its conclusion if there is one.

    ``conclusion_version`` starts at 0 and grows by 1 with each change of the conclusion; removing
    it is a change too.
    """

    content: str
    version: Version
    position: Count
    conclusion_version: Version
    conclusion: str | UnsetType = UNSET


class Decision(View, kw_only=True):
    """The tally and the rule at the time when a proposal was closed.

    It has ``threshold``, or for the rule ``share`` the fields ``share``, ``more_than`` and ``of``.
    """

    agree: Count
    eligible: Count
    rule: Rule
    policy_version: Version
    threshold: Threshold | UnsetType = UNSET
    share: Share | UnsetType = UNSET
    more_than: bool | UnsetType = UNSET
    of: Base | UnsetType = UNSET
    against: Count | UnsetType = UNSET
    abstain: Count | UnsetType = UNSET


class Proposal(View, kw_only=True):
    """A proposed change.

    ``target`` is the item to change, for a conclusion its criterion. ``base_version`` is the
    version that the proposal was written for. ``agree`` is the number of votes for ``revision``.
    While the proposal is pending, it is out of ``eligible``, or of ``counts.members`` if that is
    absent. ``against`` and ``abstain`` are shown if votes may say so; then ``voters`` is the number
    of users who took part. With ``tally`` = ``close`` a pending proposal shows none of these but
    ``voters``. ``terms`` has what differs from the default terms. ``eligible`` is there with
    ``electorate`` = ``opening``: the number of members at that moment. ``stale``: the item has
    changed since, so the proposal does not pass by votes. Until ``opens_at`` and from
    ``expires_at`` on, votes are counted but decide nothing; with ``decide`` = ``close`` they decide
    at ``expires_at``, and later ones are refused. ``resolved_by`` is the user whose step closed it.
    It is absent if votes closed it, since these are secret, or if the server did. ``no`` is its
    place in the order of creation, ``resolved_no`` in that of closing: sort by them, not by times.
    Events whose recorded rules are older than the fourth do not have them.
    """

    kind: ProposalKind
    category: Category
    author: UserId
    status: ProposalStatus
    revision: Version
    stale: bool
    created_at: Time
    agree: Count | UnsetType = UNSET
    against: Count | UnsetType = UNSET
    abstain: Count | UnsetType = UNSET
    voters: Count | UnsetType = UNSET
    terms: Terms | UnsetType = UNSET
    eligible: Count | UnsetType = UNSET
    target: ItemId | UnsetType = UNSET
    base_version: Version | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    resolution: Resolution | UnsetType = UNSET
    resolution_reason: str | UnsetType = UNSET
    resolved_by: UserId | UnsetType = UNSET
    resolved_at: Time | UnsetType = UNSET
    decision: Decision | UnsetType = UNSET
    opens_at: Time | UnsetType = UNSET
    expires_at: Time | UnsetType = UNSET
    reverts: ProposalId | UnsetType = UNSET
    reverted_by: ProposalId | UnsetType = UNSET
    no: Ordinal | UnsetType = UNSET
    resolved_no: Ordinal | UnsetType = UNSET


class Comment(View, kw_only=True):
    """A comment on a proposal or on a criterion; one of the two is named.

    ``no`` is its place in the order of creation: sort by it, not by times.
    """

    author: UserId
    content: str
    version: Version
    created_at: Time
    proposal: ProposalId | UnsetType = UNSET
    criterion: CriterionId | UnsetType = UNSET
    no: Ordinal | UnsetType = UNSET


class Member(View, kw_only=True):
    """An accepted member."""

    name: str
    role: Role


class JoinRequest(View, kw_only=True):
    """A user who waits to be accepted; admins see those who wait longest.

    ``position`` is the ``seq`` of the step that asked: ``upto`` is compared with it.
    """

    name: str
    requested_at: Time
    position: Position | UnsetType = UNSET


class Invitation(View, kw_only=True):
    """A personal way in, for admins. ``user`` is the one who used it.

    ``no`` is its place in the order of creation.
    """

    name: str
    status: InvitationStatus
    created_at: Time
    no: Ordinal
    ref: str | UnsetType = UNSET
    user: UserId | UnsetType = UNSET


class Counts(View, kw_only=True):
    """Totals, whatever the room's windows show: members who may vote, submitted ballots, proposals
    ever made, current comments. Organisers are not counted. Admins also see the number of requests
    to join, and of invitations ever made.
    """

    members: Count
    ballots: Count
    proposals: Count
    comments: Count
    requests: Count | UnsetType = UNSET
    invitations: Count | UnsetType = UNSET


class OptionResult(View, kw_only=True):
    """The number of ballots for an option. Equal counts share a rank.

    Ranked: the ballots that counted for it in the last round that it was in. Options that went out
    together, or won together, share a rank.
    """

    option: OptionId
    votes: Count
    rank: Rank


class RoundCount(View, kw_only=True):
    """The ballots that counted for an option in one round."""

    option: OptionId
    votes: Count


class Round(View, kw_only=True):
    """One round of an instant runoff.

    ``options``: those still in, by their position. ``exhausted``: ballots that name none of them.
    ``out``: the options that go out after it: several, if they were equal in every round.
    """

    options: list[RoundCount]
    exhausted: Count
    out: list[OptionId]


class CriterionResult(View, kw_only=True):
    """The weight of a criterion: 3 points for each first place, 2 for a second, 1 for a third."""

    criterion: CriterionId
    points: Count
    rank: Rank


class Results(View, kw_only=True):
    """The ballots as counted when the event finished, best first.

    ``method`` is absent for ``single``. ``rounds`` and ``winners`` are those of ``ranked``: more
    than one winner is a tie.
    """

    ballots: Count
    eligible: Count
    options: list[OptionResult]
    criteria: list[CriterionResult]
    method: BallotMethod | UnsetType = UNSET
    rounds: list[Round] | UnsetType = UNSET
    winners: list[OptionId] | UnsetType = UNSET


class MemberState(View, kw_only=True):
    """``state`` as members see it."""

    event: Event
    options: dict[OptionId, Option]
    assumptions: dict[AssumptionId, Assumption]
    criteria: dict[CriterionId, Criterion]
    proposals: dict[ProposalId, Proposal]
    comments: dict[CommentId, Comment]
    members: dict[UserId, Member]
    counts: Counts
    results: Results | UnsetType = UNSET


class AdminState(MemberState, kw_only=True):
    """``state`` as admins see it, with the users who wait and the newest invitations."""

    requests: dict[UserId, JoinRequest]
    invitations: dict[InvitationId, Invitation]


class Hidden(View, kw_only=True):
    """An empty collection."""


Empty = Annotated[dict[str, Hidden], Meta(max_length=0)]


class ApplicantState(View, kw_only=True):
    """``state`` as applicants see it: all collections are present, and empty."""

    event: ApplicantEvent
    options: Empty
    assumptions: Empty
    criteria: Empty
    proposals: Empty
    comments: Empty
    members: Empty
    counts: Hidden


class Membership(View, kw_only=True):
    """The user's own membership; with a role only while accepted."""

    status: MembershipStatus
    role: Role | UnsetType = UNSET


class Ballot(View, kw_only=True):
    """The user's own final ballot.

    A single choice has ``option``; an approval ballot has ``options``, and a ranked one too, best
    first. ``criterion_order`` has the ranked criteria that still exist, the most important first;
    it is empty if none were ranked. ``criteria_rev`` is the one under which the ballot was
    submitted. ``revision`` is 1, and one more for each further ballot of this user, also after
    ``ballot.clear``: ``base`` is compared with it. In an event whose limits were recorded by an
    older server, it is 1 after a clear.
    """

    criterion_order: list[CriterionId]
    criteria_rev: Version
    option: OptionId | UnsetType = UNSET
    options: list[OptionId] | UnsetType = UNSET
    revision: Version | UnsetType = UNSET


class You(View, kw_only=True):
    """The receiver's own data.

    ``votes``: shown proposal → the revision voted for. ``stances``: shown proposal → what the vote
    said, if that is not ``agree``.
    """

    membership: Membership
    votes: dict[ProposalId, Version]
    stances: dict[ProposalId, Stance] = {}  # noqa: RUF012 - copied by msgspec
    ballot: Ballot | UnsetType = UNSET
