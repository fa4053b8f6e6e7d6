"""Permissions in one table: command → required role and event statuses.

Checked against the state under the event's lock, never against what a socket knew at its login.
``docs/permissions.md`` is generated from it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from handlers.step import Step
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError
from protocol.state import EventStatus


class RequiredRole(Enum):
    """The role that a command requires in the event."""

    ANYONE = "anyone"
    """Any user; the handler checks the membership itself."""
    MEMBER = "member"
    VOTER = "voter"
    """A member who is not an organiser."""
    ADMIN = "admin"
    """An admin or an organiser."""


class Permission(NamedTuple):
    """The role that a command requires, and the event statuses in which it is possible."""

    role: RequiredRole
    statuses: frozenset[EventStatus]
    otherwise: ErrorCode = ErrorCode.EVENT_NOT_IN_PROGRESS
    """The error in any other status except ``finished``, which has its own."""


_ALL: Final[frozenset[EventStatus]] = frozenset(
    {"not_started", "in_progress", "paused", "finished"}
)
_LIVE: Final = _ALL - {"finished"}
_BEFORE: Final[frozenset[EventStatus]] = frozenset({"not_started"})
_RUNNING: Final[frozenset[EventStatus]] = frozenset({"in_progress"})
_STARTED: Final[frozenset[EventStatus]] = frozenset({"in_progress", "paused"})

_ANYONE, _MEMBER, _ADMIN = RequiredRole.ANYONE, RequiredRole.MEMBER, RequiredRole.ADMIN
_VOTER = RequiredRole.VOTER
_DIRECT = Permission(_ADMIN, _BEFORE, ErrorCode.INVALID_TRANSITION)

PERMISSIONS: Final[dict[type[c.Command], Permission]] = {
    c.EventCreate: Permission(_ANYONE, _ALL),
    # The handler refuses a subject after the start.
    c.EventUpdate: Permission(_ADMIN, _LIVE),
    c.EventSetPolicy: Permission(_ADMIN, _LIVE),
    c.EventRotateCode: Permission(_ADMIN, _LIVE),
    # The table of transitions says from which status each is possible.
    c.EventStart: Permission(_ADMIN, _ALL),
    c.EventPause: Permission(_ADMIN, _ALL),
    c.EventResume: Permission(_ADMIN, _ALL),
    c.EventFinish: Permission(_ADMIN, _ALL),
    c.EventReopen: Permission(_ADMIN, _ALL),
    c.OptionAdd: _DIRECT,
    c.OptionEdit: _DIRECT,
    c.OptionRemove: _DIRECT,
    c.AssumptionAdd: _DIRECT,
    c.AssumptionEdit: _DIRECT,
    c.AssumptionRemove: _DIRECT,
    c.CriterionAdd: _DIRECT,
    c.CriterionEdit: _DIRECT,
    c.CriterionRemove: _DIRECT,
    # The handler refuses a finished event, but only after checking the code: a stranger must not
    # learn of the event.
    c.MembershipJoin: Permission(_ANYONE, _ALL),
    c.MembershipRename: Permission(_MEMBER, _LIVE),
    c.MembershipCancel: Permission(_ANYONE, _ALL),
    c.MembershipLeave: Permission(_ANYONE, _ALL),
    c.MembershipApprove: Permission(_ADMIN, _LIVE),
    c.MembershipReject: Permission(_ADMIN, _LIVE),
    c.MembershipRemove: Permission(_ADMIN, _LIVE),
    c.MembershipApproveAll: Permission(_ADMIN, _LIVE),
    c.MembershipRejectAll: Permission(_ADMIN, _LIVE),
    c.MembershipAdd: Permission(_ADMIN, _LIVE),
    c.MembershipSetRole: Permission(_ADMIN, _ALL),
    c.InvitationCreate: Permission(_ADMIN, _LIVE),
    c.InvitationRevoke: Permission(_ADMIN, _LIVE),
    c.ProposalCreate: Permission(_MEMBER, _RUNNING),
    c.ProposalWithdraw: Permission(_MEMBER, _STARTED),
    c.ProposalRebase: Permission(_MEMBER, _RUNNING),
    c.ProposalAccept: Permission(_ADMIN, _STARTED),
    c.ProposalReject: Permission(_ADMIN, _STARTED),
    c.ProposalModerate: Permission(_ADMIN, _STARTED),
    c.ProposalRevert: Permission(_ADMIN, _STARTED),
    c.VoteCast: Permission(_VOTER, _RUNNING),
    c.VoteRetract: Permission(_VOTER, _RUNNING),
    c.BallotSubmit: Permission(_VOTER, _RUNNING),
    c.BallotClear: Permission(_VOTER, _RUNNING),
    c.CommentAdd: Permission(_MEMBER, _LIVE),
    c.CommentEdit: Permission(_MEMBER, _LIVE),
    c.CommentRemove: Permission(_MEMBER, _LIVE),
}


def check(step: Step, command: c.Command) -> None:
    """Raise the ``FinalError`` that says why the actor may not give this command now."""
    role, statuses, otherwise = PERMISSIONS[type(command)]
    if role is not RequiredRole.ANYONE:
        own = step.state.membership(step.user)
        if own is None:
            raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
        if own.status != "accepted":
            raise FinalError(ErrorCode.NOT_A_MEMBER, details={"status": own.status})
        if role is RequiredRole.ADMIN and not own.leads:
            raise FinalError(ErrorCode.FORBIDDEN, details={"role": own.role})
        if role is RequiredRole.VOTER and not own.has_vote:
            raise FinalError(
                ErrorCode.NOT_ELIGIBLE, "an organiser has no vote", details={"role": own.role}
            )
    event = step.state.event_record
    if event is None:
        return
    status = event.status
    if status not in statuses:
        if status == "finished":
            raise FinalError(ErrorCode.EVENT_FINISHED)
        raise FinalError(otherwise, details={"status": status})
