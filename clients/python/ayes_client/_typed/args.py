"""The arguments of every command, as a room takes them.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class AnyCommand(TypedDict, total=False):
    """Fields that every command takes. ``traceparent``: the trace that it belongs to."""

    not_after: str | None
    traceparent: str | None


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


_EventCreate = TypedDict("_EventCreate", {"as": 'NotRequired[Literal["admin", "organiser"]]'})


class EventCreate(_EventCreate, AnyCommand):
    """Create an event, with a schedule if wanted; its creator becomes its first admin."""

    subject: str
    max_members: NotRequired[int]
    policy: NotRequired[PolicyPatch]
    options: NotRequired[list[str]]
    assumptions: NotRequired[list[str]]
    criteria: NotRequired[list[str]]
    entrance_code: NotRequired[str | None]
    starts_at: NotRequired[str | None]
    ends_at: NotRequired[str | None]


class EventUpdate(AnyCommand):
    """Change subject or start (before the start), end or ``max_members``; ``null``."""

    subject: NotRequired[str | None]
    max_members: NotRequired[int | None]
    starts_at: NotRequired[str | None]
    ends_at: NotRequired[str | None]


class EventSetPolicy(AnyCommand):
    """Merge ``policy`` into the policy, whose current version must be ``policy_version``."""

    policy_version: int
    policy: PolicyPatch


class EventRotateCode(AnyCommand):
    """Retire the entrance code and make a new one."""


class EventStart(AnyCommand):
    """Start the event."""


class EventPause(AnyCommand):
    """Pause the event."""


class EventResume(AnyCommand):
    """Resume the event."""


class EventFinish(AnyCommand):
    """Finish the event, in progress or paused."""


class EventReopen(AnyCommand):
    """Continue a finished event."""


class OptionAdd(AnyCommand):
    """Add an option of the final ballot."""

    content: str


class OptionEdit(AnyCommand):
    """Change an option's text."""

    option: str
    content: str


class OptionRemove(AnyCommand):
    """Remove an option."""

    option: str


class AssumptionAdd(AnyCommand):
    """Add an assumption directly, before the start."""

    content: str


class AssumptionEdit(AnyCommand):
    """Change an assumption directly, before the start."""

    assumption: str
    version: int
    content: str


class AssumptionRemove(AnyCommand):
    """Remove an assumption directly, before the start."""

    assumption: str
    version: int


class CriterionAdd(AnyCommand):
    """Add a criterion directly, before the start."""

    content: str


class CriterionEdit(AnyCommand):
    """Change a criterion directly, before the start."""

    criterion: str
    version: int
    content: str


class CriterionRemove(AnyCommand):
    """Remove a criterion directly, before the start."""

    criterion: str
    version: int


class MembershipJoin(AnyCommand):
    """Ask to join the event that ``code`` opens, or join it by an ``invitation``."""

    code: NotRequired[str | None]
    invitation: NotRequired[str | None]


class MembershipRename(AnyCommand):
    """Change the name that one has in this event."""

    name: str


class MembershipCancel(AnyCommand):
    """Withdraw one's own request to join."""


class MembershipLeave(AnyCommand):
    """Leave the event; the last admin names a successor in ``transfer_to``."""

    transfer_to: NotRequired[str | None]


class MembershipApprove(AnyCommand):
    """Accept a waiting user."""

    user: str


class MembershipReject(AnyCommand):
    """Reject a waiting user."""

    user: str


class MembershipRemove(AnyCommand):
    """Remove a member. They may ask to join again; then an admin decides, whatever the policy."""

    user: str
    close_proposals: NotRequired[bool]


class MembershipApproveAll(AnyCommand):
    """Accept all who wait, longest waiting first, as far as there is room."""

    upto: NotRequired[int | None]


class MembershipRejectAll(AnyCommand):
    """Reject all who wait; with ``upto`` only those who had asked by that position."""

    upto: NotRequired[int | None]


class Person(TypedDict):
    """A user to add; without ``name`` the user's id is the name."""

    user: str
    name: NotRequired[str | None]


class MembershipAdd(AnyCommand):
    """Accept people who did not ask. Those who are members already stay as they are."""

    people: list[Person]


class MembershipSetRole(AnyCommand):
    """Make a member an admin, an organiser (who runs the event and has no vote), or a member."""

    user: str
    role: Literal["admin", "member", "organiser"]


class InvitedPerson(TypedDict):
    """A person to invite. ``ref`` distinguishes namesakes, such as a number of the roll."""

    name: str
    ref: NotRequired[str | None]


class InvitationCreate(AnyCommand):
    """Invite people."""

    people: list[InvitedPerson]


class InvitationRevoke(AnyCommand):
    """Revoke an invitation."""

    invitation: str


class ProposalCreate(AnyCommand):
    """Propose a change."""

    kind: Literal["assumption", "criterion", "conclusion"]
    category: Literal["create", "update", "delete"]
    target: NotRequired[str | None]
    base_version: NotRequired[int | None]
    content: NotRequired[str | None]
    reason: NotRequired[str | None]


class ProposalWithdraw(AnyCommand):
    """Withdraw one's own proposal."""

    proposal: str
    reason: NotRequired[str | None]


class ProposalReject(AnyCommand):
    """Reject a proposal, as an admin."""

    proposal: str
    reason: NotRequired[str | None]


class ProposalModerate(AnyCommand):
    """Remove a proposal from the discussion, as an admin, without a decision on its subject."""

    proposal: str
    reason: NotRequired[str | None]


class ProposalRevert(AnyCommand):
    """Undo an accepted proposal by a new, visible one."""

    proposal: str
    reason: NotRequired[str | None]


class ProposalRebase(AnyCommand):
    """Move one's own proposal to the item's current version; its votes are cleared."""

    proposal: str
    base_version: int
    content: NotRequired[str | None]


class ProposalAccept(AnyCommand):
    """Accept a proposal, as an admin; a stale one only with ``allow_stale``."""

    proposal: str
    allow_stale: NotRequired[bool]


class VoteCast(AnyCommand):
    """Vote on the text of ``revision``; another ``stance`` than before replaces it."""

    proposal: str
    revision: int
    stance: NotRequired[Literal["agree", "against", "abstain"]]


class VoteRetract(AnyCommand):
    """Retract one's vote."""

    proposal: str


class BallotSubmit(AnyCommand):
    """Submit one's final ballot."""

    option: NotRequired[str | None]
    options: NotRequired[list[str] | None]
    criterion_order: NotRequired[list[str] | None]
    criteria_rev: int
    base: NotRequired[int | None]


class BallotClear(AnyCommand):
    """Withdraw one's ballot."""


class CommentAdd(AnyCommand):
    """Comment on a proposal or on a criterion."""

    content: str
    proposal: NotRequired[str | None]
    criterion: NotRequired[str | None]


class CommentEdit(AnyCommand):
    """Change one's own comment."""

    comment: str
    version: int
    content: str


class CommentRemove(AnyCommand):
    """Remove one's own comment; an admin may remove any comment."""

    comment: str
