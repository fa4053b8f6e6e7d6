"""The arguments of every command to an event, with the event.

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

from ayes_client._typed import args


class EventUpdate(args.EventUpdate):
    """It names its event."""

    event: str


class EventSetPolicy(args.EventSetPolicy):
    """It names its event."""

    event: str


class EventRotateCode(args.EventRotateCode):
    """It names its event."""

    event: str


class EventStart(args.EventStart):
    """It names its event."""

    event: str


class EventPause(args.EventPause):
    """It names its event."""

    event: str


class EventResume(args.EventResume):
    """It names its event."""

    event: str


class EventFinish(args.EventFinish):
    """It names its event."""

    event: str


class EventReopen(args.EventReopen):
    """It names its event."""

    event: str


class OptionAdd(args.OptionAdd):
    """It names its event."""

    event: str


class OptionEdit(args.OptionEdit):
    """It names its event."""

    event: str


class OptionRemove(args.OptionRemove):
    """It names its event."""

    event: str


class AssumptionAdd(args.AssumptionAdd):
    """It names its event."""

    event: str


class AssumptionEdit(args.AssumptionEdit):
    """It names its event."""

    event: str


class AssumptionRemove(args.AssumptionRemove):
    """It names its event."""

    event: str


class CriterionAdd(args.CriterionAdd):
    """It names its event."""

    event: str


class CriterionEdit(args.CriterionEdit):
    """It names its event."""

    event: str


class CriterionRemove(args.CriterionRemove):
    """It names its event."""

    event: str


class MembershipRename(args.MembershipRename):
    """It names its event."""

    event: str


class MembershipCancel(args.MembershipCancel):
    """It names its event."""

    event: str


class MembershipLeave(args.MembershipLeave):
    """It names its event."""

    event: str


class MembershipApprove(args.MembershipApprove):
    """It names its event."""

    event: str


class MembershipReject(args.MembershipReject):
    """It names its event."""

    event: str


class MembershipRemove(args.MembershipRemove):
    """It names its event."""

    event: str


class MembershipApproveAll(args.MembershipApproveAll):
    """It names its event."""

    event: str


class MembershipRejectAll(args.MembershipRejectAll):
    """It names its event."""

    event: str


class MembershipAdd(args.MembershipAdd):
    """It names its event."""

    event: str


class MembershipSetRole(args.MembershipSetRole):
    """It names its event."""

    event: str


class InvitationCreate(args.InvitationCreate):
    """It names its event."""

    event: str


class InvitationRevoke(args.InvitationRevoke):
    """It names its event."""

    event: str


class ProposalCreate(args.ProposalCreate):
    """It names its event."""

    event: str


class ProposalWithdraw(args.ProposalWithdraw):
    """It names its event."""

    event: str


class ProposalReject(args.ProposalReject):
    """It names its event."""

    event: str


class ProposalModerate(args.ProposalModerate):
    """It names its event."""

    event: str


class ProposalRevert(args.ProposalRevert):
    """It names its event."""

    event: str


class ProposalRebase(args.ProposalRebase):
    """It names its event."""

    event: str


class ProposalAccept(args.ProposalAccept):
    """It names its event."""

    event: str


class VoteCast(args.VoteCast):
    """It names its event."""

    event: str


class VoteRetract(args.VoteRetract):
    """It names its event."""

    event: str


class BallotSubmit(args.BallotSubmit):
    """It names its event."""

    event: str


class BallotClear(args.BallotClear):
    """It names its event."""

    event: str


class CommentAdd(args.CommentAdd):
    """It names its event."""

    event: str


class CommentEdit(args.CommentEdit):
    """It names its event."""

    event: str


class CommentRemove(args.CommentRemove):
    """It names its event."""

    event: str
