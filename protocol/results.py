"""The ``result`` of an ack, for each command."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from protocol import commands as c
from protocol.fields import EntranceCode, Position, Secret, UserId, Version
from protocol.state import (
    AssumptionId,
    CommentId,
    Count,
    CriterionId,
    EventId,
    EventStatus,
    InvitationId,
    MembershipStatus,
    OptionId,
    ProposalId,
    ProposalStatus,
    Resolution,
    Time,
)


class Result(msgspec.Struct, kw_only=True):
    """The details that an ack gives."""


class Nothing(Result, kw_only=True):
    """An empty result."""


class EventMade(Result, kw_only=True):
    """The new event, and its entrance code."""

    event: EventId
    entrance_code: EntranceCode


class PolicySet(Result, kw_only=True):
    """The policy's version now, and the pending proposals that it accepted, in that order."""

    policy_version: Version
    accepted: list[ProposalId]


class CodeMade(Result, kw_only=True):
    """The entrance code from now on."""

    entrance_code: EntranceCode


class EventLed(Result, kw_only=True):
    """The event's status now."""

    status: EventStatus


class OptionChanged(Result, kw_only=True):
    """The option that was made, changed or removed."""

    option: OptionId


class AssumptionChanged(Result, kw_only=True):
    """The assumption that was made, changed or removed, and its version now."""

    assumption: AssumptionId
    version: Version


class CriterionChanged(Result, kw_only=True):
    """The criterion that was made, changed or removed, and its version now."""

    criterion: CriterionId
    version: Version


class Joined(Result, kw_only=True):
    """The event, and whether the user is a member or waits."""

    event: EventId
    status: Literal["pending", "accepted"]


class Renamed(Result, kw_only=True):
    """The name that one has now."""

    name: str


class Left(Result, kw_only=True):
    """The user has left."""

    status: Literal["left"]


class MembershipDecided(Result, kw_only=True):
    """A user's status now; by whom and when it was decided, if it was."""

    user: UserId
    status: MembershipStatus
    by: UserId | UnsetType = UNSET
    at: Time | UnsetType = UNSET


class MembershipEnded(MembershipDecided, kw_only=True):
    """How many proposals were closed too, if that was asked for."""

    closed: Count | UnsetType = UNSET


class AllDecided(Result, kw_only=True):
    """The users who were accepted, who were rejected, and who still wait, longest waiting first.

    The lists name at most 200; the counts are complete. Entries from before there were counts name
    all.
    """

    approved: list[UserId]
    waiting: list[UserId]
    approved_count: Count | UnsetType = UNSET
    waiting_count: Count | UnsetType = UNSET
    rejected: list[UserId] | UnsetType = UNSET
    rejected_count: Count | UnsetType = UNSET


class PeopleAdded(Result, kw_only=True):
    """The users who became members, in the order given."""

    added: list[UserId]


class InvitationMade(msgspec.Struct, kw_only=True):
    """An invitation, and the secret to give to the person invited."""

    invitation: InvitationId
    name: str
    secret: Secret


class InvitationsMade(Result, kw_only=True):
    """The invitations, in the order given."""

    invitations: list[InvitationMade]


class InvitationRevoked(Result, kw_only=True):
    """The invitation that opens nothing any more."""

    invitation: InvitationId
    status: Literal["revoked"]


class RoleSet(Result, kw_only=True):
    """The member's role now."""

    user: UserId
    role: c.Role


class ProposalMade(Result, kw_only=True):
    """The new proposal; already ``accepted`` if its author's own vote was enough."""

    proposal: ProposalId
    revision: Version
    status: ProposalStatus


class ProposalClosed(Result, kw_only=True):
    """How a proposal was closed, by whom (absent: by the server), when, and at which ``seq``."""

    status: ProposalStatus
    resolution: Resolution
    at: Time
    seq: Position
    by: UserId | UnsetType = UNSET


class ProposalReverted(ProposalClosed, kw_only=True):
    """The proposal that reverts the other one."""

    proposal: ProposalId


class ProposalRebased(Result, kw_only=True):
    """The revision to vote for from now on."""

    revision: Version


class VoteRetracted(Result, kw_only=True):
    """The tally without one's own vote: ``agree`` of ``eligible``.

    With ``tally`` = ``close`` there is ``voters`` in place of ``agree``, ``against`` and
    ``abstain``; it is absent too if a vote can only say agree.
    """

    eligible: Count
    agree: Count | UnsetType = UNSET
    against: Count | UnsetType = UNSET
    abstain: Count | UnsetType = UNSET
    voters: Count | UnsetType = UNSET


class VoteCounted(VoteRetracted, kw_only=True):
    """The tally with one's own vote, and whether the proposal passed."""

    status: ProposalStatus


class CommentChanged(Result, kw_only=True):
    """The comment that was made or removed."""

    comment: CommentId


class CommentEdited(Result, kw_only=True):
    """The comment, and its version now."""

    comment: CommentId
    version: Version


AnyResult: TypeAlias = type[Result]

#: Command → the ``result`` of its ack.
RESULTS: Final[dict[type[c.Command], AnyResult]] = {
    c.EventCreate: EventMade,
    c.EventUpdate: Nothing,
    c.EventSetPolicy: PolicySet,
    c.EventRotateCode: CodeMade,
    c.EventStart: EventLed,
    c.EventPause: EventLed,
    c.EventResume: EventLed,
    c.EventFinish: EventLed,
    c.OptionAdd: OptionChanged,
    c.OptionEdit: OptionChanged,
    c.OptionRemove: OptionChanged,
    c.AssumptionAdd: AssumptionChanged,
    c.AssumptionEdit: AssumptionChanged,
    c.AssumptionRemove: AssumptionChanged,
    c.CriterionAdd: CriterionChanged,
    c.CriterionEdit: CriterionChanged,
    c.CriterionRemove: CriterionChanged,
    c.MembershipJoin: Joined,
    c.MembershipRename: Renamed,
    c.MembershipCancel: Nothing,
    c.MembershipLeave: Left,
    c.MembershipApprove: MembershipDecided,
    c.MembershipReject: MembershipDecided,
    c.MembershipRemove: MembershipEnded,
    c.MembershipApproveAll: AllDecided,
    c.MembershipRejectAll: AllDecided,
    c.MembershipSetRole: RoleSet,
    c.InvitationCreate: InvitationsMade,
    c.InvitationRevoke: InvitationRevoked,
    c.ProposalCreate: ProposalMade,
    c.ProposalWithdraw: ProposalClosed,
    c.ProposalReject: ProposalClosed,
    c.ProposalModerate: ProposalClosed,
    c.ProposalRevert: ProposalReverted,
    c.ProposalRebase: ProposalRebased,
    c.ProposalAccept: ProposalClosed,
    c.VoteCast: VoteCounted,
    c.VoteRetract: VoteRetracted,
    c.BallotSubmit: Nothing,
    c.BallotClear: Nothing,
    c.CommentAdd: CommentChanged,
    c.CommentEdit: CommentEdited,
    c.CommentRemove: CommentChanged,
    c.EventReopen: EventLed,
    c.MembershipAdd: PeopleAdded,
}
assert RESULTS.keys() == set(c.COMMANDS), (
    f"these commands have no result here: {set(c.COMMANDS) - RESULTS.keys()}"
)
