"""The arguments of every command to an event, with the event.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from ayes_client._typed import args


class EventUpdate(args.EventUpdate):
    """The same, with the id of the event."""

    event: str


class EventSetPolicy(args.EventSetPolicy):
    """The same, with the id of the event."""

    event: str


class EventRotateCode(args.EventRotateCode):
    """The same, with the id of the event."""

    event: str


class EventStart(args.EventStart):
    """The same, with the id of the event."""

    event: str


class EventPause(args.EventPause):
    """The same, with the id of the event."""

    event: str


class EventResume(args.EventResume):
    """The same, with the id of the event."""

    event: str


class EventFinish(args.EventFinish):
    """The same, with the id of the event."""

    event: str


class EventReopen(args.EventReopen):
    """The same, with the id of the event."""

    event: str


class OptionAdd(args.OptionAdd):
    """The same, with the id of the event."""

    event: str


class OptionEdit(args.OptionEdit):
    """The same, with the id of the event."""

    event: str


class OptionRemove(args.OptionRemove):
    """The same, with the id of the event."""

    event: str


class AssumptionAdd(args.AssumptionAdd):
    """The same, with the id of the event."""

    event: str


class AssumptionEdit(args.AssumptionEdit):
    """The same, with the id of the event."""

    event: str


class AssumptionRemove(args.AssumptionRemove):
    """The same, with the id of the event."""

    event: str


class CriterionAdd(args.CriterionAdd):
    """The same, with the id of the event."""

    event: str


class CriterionEdit(args.CriterionEdit):
    """The same, with the id of the event."""

    event: str


class CriterionRemove(args.CriterionRemove):
    """The same, with the id of the event."""

    event: str


class MembershipRename(args.MembershipRename):
    """The same, with the id of the event."""

    event: str


class MembershipCancel(args.MembershipCancel):
    """The same, with the id of the event."""

    event: str


class MembershipLeave(args.MembershipLeave):
    """The same, with the id of the event."""

    event: str


class MembershipApprove(args.MembershipApprove):
    """The same, with the id of the event."""

    event: str


class MembershipReject(args.MembershipReject):
    """The same, with the id of the event."""

    event: str


class MembershipRemove(args.MembershipRemove):
    """The same, with the id of the event."""

    event: str


class MembershipApproveAll(args.MembershipApproveAll):
    """The same, with the id of the event."""

    event: str


class MembershipRejectAll(args.MembershipRejectAll):
    """The same, with the id of the event."""

    event: str


class MembershipAdd(args.MembershipAdd):
    """The same, with the id of the event."""

    event: str


class MembershipSetRole(args.MembershipSetRole):
    """The same, with the id of the event."""

    event: str


class InvitationCreate(args.InvitationCreate):
    """The same, with the id of the event."""

    event: str


class InvitationRevoke(args.InvitationRevoke):
    """The same, with the id of the event."""

    event: str


class ProposalCreate(args.ProposalCreate):
    """The same, with the id of the event."""

    event: str


class ProposalWithdraw(args.ProposalWithdraw):
    """The same, with the id of the event."""

    event: str


class ProposalReject(args.ProposalReject):
    """The same, with the id of the event."""

    event: str


class ProposalModerate(args.ProposalModerate):
    """The same, with the id of the event."""

    event: str


class ProposalRevert(args.ProposalRevert):
    """The same, with the id of the event."""

    event: str


class ProposalRebase(args.ProposalRebase):
    """The same, with the id of the event."""

    event: str


class ProposalAccept(args.ProposalAccept):
    """The same, with the id of the event."""

    event: str


class VoteCast(args.VoteCast):
    """The same, with the id of the event."""

    event: str


class VoteRetract(args.VoteRetract):
    """The same, with the id of the event."""

    event: str


class BallotSubmit(args.BallotSubmit):
    """The same, with the id of the event."""

    event: str


class BallotClear(args.BallotClear):
    """The same, with the id of the event."""

    event: str


class CommentAdd(args.CommentAdd):
    """The same, with the id of the event."""

    event: str


class CommentEdit(args.CommentEdit):
    """The same, with the id of the event."""

    event: str


class CommentRemove(args.CommentRemove):
    """The same, with the id of the event."""

    event: str
