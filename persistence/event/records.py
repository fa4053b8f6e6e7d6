"""The rows as Python records: one frozen type per table, fields named as its columns.

``event_id`` is left out: a record belongs to the state of its event.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from protocol.commands import Category, Role
from protocol.policy import DEFAULT_TERMS, Policy, ProposalKind, Terms
from protocol.state import (
    EventStatus,
    InvitationStatus,
    MembershipStatus,
    ProposalStatus,
    Resolution,
)

ItemKind: TypeAlias = Literal["assumption", "criterion"]
Part: TypeAlias = Literal["content", "conclusion"]
#: What a vote says. ``absent``: its user may vote on this revision, though they left the event
#: since, and has not yet.
RecordedStance: TypeAlias = Literal["agree", "against", "abstain", "absent"]
#: The tables whose rows a command puts.
TableName: TypeAlias = Literal[
    "ballots",
    "comments",
    "entrance_codes",
    "invitations",
    "item_history",
    "items",
    "memberships",
    "options",
    "proposals",
    "votes",
]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """The row that is locked. Totals count what exists now; ordinals what was ever made."""

    id: str
    subject: str
    entrance_code: str
    status: EventStatus
    max_members: int
    policy: Policy
    policy_version: int
    criteria_rev: int
    created_by: str
    created_at: datetime
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    ends_set_at: datetime | None = None
    """When ``ends_at`` was set. One that was set during a pause does not move with it."""
    paused_at: datetime | None = None
    finished_at: datetime | None = None
    results: dict[str, Any] | None = None
    seq: int = 0
    epoch: str
    hash: bytes = bytes(32)
    members: int = 0
    """Accepted members who may vote: organisers are not counted."""
    admins: int = 0
    """Admins and organisers."""
    organisers: int = 0
    pending: int = 0
    """Number of pending proposals."""
    ballots: int = 0
    proposals: int = 0
    comments: int = 0
    joins: int = 0
    items: int = 0
    """Options, assumptions and criteria ever made: the next position."""
    resolutions: int = 0
    comments_made: int = 0
    comment_floor: int = 0
    """Comments up to this number are no longer shown."""
    member_ceiling: int | None = None
    """Members who joined after this number are shown only as admins."""
    limits: str | None = None
    """The recorded limits, as JSON; see ``persistence.event.limits``."""
    resolved_floor: int = 0
    """Proposals that were resolved up to this number are no longer shown."""
    requests: int | None = None
    """Number of applicants; ``None`` before the third rules, which number requests."""
    requests_made: int | None = None
    request_ceiling: int | None = None
    """Requests after this number are not shown; ``None``: all are shown."""
    invitations: int | None = None
    """Number of invitations ever made; ``None`` before the fifth rules, until there is one."""
    invitation_floor: int = 0
    """Invitations up to this number are no longer shown."""
    ballot_fixed: bool = False
    """Whether a ballot was submitted since the fifth rules: its method stands."""

    @property
    def places(self) -> int:
        """Number of free places for members; organisers have one too."""
        return max(self.max_members - self.accepted, 0)

    @property
    def accepted(self) -> int:
        """Number of accepted members, organisers included."""
        return self.members + self.organisers


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A user's membership in the event."""

    user_id: str
    name: str
    status: MembershipStatus
    role: Role = "member"
    requested_at: datetime
    joined_at: datetime | None = None
    ended_at: datetime | None = None
    decided_by: str | None = None
    joined_no: int | None = None
    request_no: int | None = None
    """The number of the request to join, while it is pending.

    A node from before the third rules does not know it, so one that such a node decided keeps it.
    """
    request_seq: int | None = None
    """The position of the latest request to join; ``None`` if the rules were older then."""
    vote_no: int | None = None
    """The number, among the joins, of getting a vote after having been an organiser."""
    ballot_revision: int | None = None
    """The revision of the latest ballot that was cleared or went with its member."""

    @property
    def leads(self) -> bool:
        """Whether the member may do what admins may: as an admin or as an organiser."""
        return self.role != "member"

    @property
    def is_numbered_request(self) -> bool:
        """Whether this is a request to join that waits and has a number."""
        return self.request_no is not None and self.status == "pending"

    @property
    def has_vote(self) -> bool:
        """Whether the role has a vote: an organiser's has not."""
        return self.role != "organiser"


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """An option of the final ballot."""

    id: str
    content: str
    position: int
    deleted: bool = False


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """An assumption, or a criterion with its conclusion."""

    id: str
    kind: ItemKind
    content: str
    version: int = 1
    conclusion: str | None = None
    conclusion_version: int = 0
    position: int
    deleted: bool = False


class ItemVersion(msgspec.Struct, frozen=True, kw_only=True):
    """The text of an item, or of a conclusion, at one version; ``None``: it had none."""

    item_id: str
    part: Part
    version: int
    content: str | None
    proposal_id: str | None
    user_id: str
    at: datetime
    seq: int


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed change, its tally, and how it was resolved."""

    id: str
    number: int
    kind: ProposalKind
    category: Category
    target: str | None = None
    base_version: int | None = None
    content: str | None = None
    reason: str | None = None
    author: str
    status: ProposalStatus = "pending"
    resolution: Resolution | None = None
    resolution_reason: str | None = None
    resolved_by: str | None = None
    resolved_at: datetime | None = None
    resolved_seq: int | None = None
    resolved_no: int | None = None
    decision: dict[str, Any] | None = None
    agree: int = 0
    """Active votes on this revision by accepted members."""
    against: int = 0
    abstain: int = 0
    """Counted like ``agree``."""
    voters: int = 0
    """Accepted members with a vote on this revision, retracted ones included."""
    revision: int = 1
    stale: bool = False
    opens_at: datetime | None = None
    expires_at: datetime | None = None
    created_at: datetime
    item_id: str | None = None
    item_version: int | None = None
    reverts: str | None = None
    reverted_by: str | None = None
    terms: Terms = DEFAULT_TERMS
    eligible: int | None = None
    """Number of members when this revision was made, if its electorate is that of then."""
    opened_joins: int | None = None
    """Members who joined after this number are not in the electorate of then."""


def only_tally_changed(before: Proposal, after: Proposal) -> bool:
    """Whether ``after`` differs from ``before`` in its tally alone, as after nearly all votes."""
    counted = msgspec.structs.replace(
        before,
        agree=after.agree,
        against=after.against,
        abstain=after.abstain,
        voters=after.voters,
    )
    return counted == after


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """A user's vote on a proposal: its revision, what it says, and whether it is active."""

    proposal_id: str
    user_id: str
    revision: int
    active: bool
    stance: RecordedStance = "agree"


class Ballot(msgspec.Struct, frozen=True, kw_only=True):
    """A user's final ballot, given when the criteria were at ``criteria_rev``."""

    user_id: str
    option_id: str
    criterion_order: list[str]
    criteria_rev: int
    revision: int | None = None
    """The number of this user's ballot; ``None`` if given under the rules before the fourth."""
    options: list[str] | None = None
    """The options of an approval or ranked ballot, best first; ``option_id`` is the first one."""
    seq: int | None = None
    """The position of its submission; ``None`` if given under the rules before the fifth."""

    @property
    def chosen(self) -> list[str]:
        """The options that it names, in its order."""
        return [self.option_id] if self.options is None else self.options


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment on a proposal or on a criterion."""

    id: str
    number: int
    proposal_id: str | None = None
    criterion_id: str | None = None
    author: str
    content: str
    version: int = 1
    created_at: datetime
    deleted: bool = False


class Invitation(msgspec.Struct, frozen=True, kw_only=True):
    """One person's way in. Its secret is derived from its id, and stored nowhere."""

    id: str
    number: int
    name: str
    ref: str | None = None
    status: InvitationStatus = "open"
    user_id: str | None = None
    """The user who used it."""
    created_at: datetime


class EntranceCode(msgspec.Struct, frozen=True, kw_only=True):
    """A code and the event that it opens, or opened before it was retired."""

    code: str
    event_id: str


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """The journal's record of one decided command: an ack (with ``seq``) or a final error."""

    user_id: str
    command_id: str
    seq: int | None
    salt: bytes
    fingerprint: bytes
    answer: str
    """JSON, exactly as stored: {"applied", "result"} or {"code", "message", "details"}."""
    hash: bytes | None
