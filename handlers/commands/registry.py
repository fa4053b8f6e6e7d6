"""The handler of each command, in one table; ``permissions.PERMISSIONS`` is its counterpart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from handlers.commands import (
    ballots,
    comments,
    events,
    invitations,
    items,
    joining,
    memberships,
    proposals,
    votes,
)
from handlers.rules.permissions import PERMISSIONS
from handlers.step import Outcome, Step
from protocol import commands as c

#: A handler takes a step and its own command. Its type is ``Any`` here, since each row has another
#: one.
Handler: TypeAlias = Callable[[Step, Any], Outcome]

HANDLERS: Final[dict[type[c.Command], Handler]] = {
    c.EventCreate: events.create,
    c.EventUpdate: events.update,
    c.EventSetPolicy: events.set_policy,
    c.EventRotateCode: events.rotate_code,
    c.EventStart: events.start,
    c.EventPause: events.pause,
    c.EventResume: events.resume,
    c.EventFinish: events.finish,
    c.EventReopen: events.reopen,
    c.OptionAdd: items.add_option,
    c.OptionEdit: items.edit_option,
    c.OptionRemove: items.remove_option,
    c.AssumptionAdd: items.add_assumption,
    c.AssumptionEdit: items.edit_assumption,
    c.AssumptionRemove: items.remove_assumption,
    c.CriterionAdd: items.add_criterion,
    c.CriterionEdit: items.edit_criterion,
    c.CriterionRemove: items.remove_criterion,
    c.MembershipJoin: joining.join,
    c.MembershipRename: memberships.rename,
    c.MembershipCancel: memberships.cancel,
    c.MembershipLeave: memberships.leave,
    c.MembershipApprove: memberships.approve,
    c.MembershipReject: memberships.reject,
    c.MembershipRemove: memberships.remove,
    c.MembershipApproveAll: memberships.approve_all,
    c.MembershipRejectAll: memberships.reject_all,
    c.MembershipAdd: joining.add,
    c.MembershipSetRole: memberships.set_role,
    c.InvitationCreate: invitations.create,
    c.InvitationRevoke: invitations.revoke,
    c.ProposalCreate: proposals.create,
    c.ProposalWithdraw: proposals.withdraw,
    c.ProposalReject: proposals.reject,
    c.ProposalModerate: proposals.moderate,
    c.ProposalRevert: proposals.revert,
    c.ProposalRebase: proposals.rebase,
    c.ProposalAccept: proposals.accept_by_admin,
    c.VoteCast: votes.cast,
    c.VoteRetract: votes.retract,
    c.BallotSubmit: ballots.submit,
    c.BallotClear: ballots.clear,
    c.CommentAdd: comments.add,
    c.CommentEdit: comments.edit,
    c.CommentRemove: comments.remove,
}


def check() -> None:
    """Check that each command has a handler and a permission.

    Raises ``RuntimeError``, naming the commands that miss one. Called once at start.
    """
    commands = set(c.COMMANDS)
    for name, table in (("handler", set(HANDLERS)), ("permission", set(PERMISSIONS))):
        if odd := commands ^ table:
            names = ", ".join(sorted(command.__name__ for command in odd))
            raise RuntimeError(f"commands and their {name}s differ: {names}")
