"""Who may do what, in one table: command → what standing it needs and in which event status.

Checked under the event's lock against the state there, never from what a socket knew at login.
``docs/permissions.md`` is made from it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from handlers.step import Step
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError
from protocol.state import EventStatus


class RequiredRole(Enum):
    """What someone must be in the event."""

    ANYONE = "anyone"
    """Whoever may know of the event; the handler looks at the membership itself."""
    MEMBER = "member"
    ADMIN = "admin"


class Permission(NamedTuple):
    """The standing a command needs, and the event statuses in which it is possible."""

    role: RequiredRole
    statuses: frozenset[EventStatus]
    otherwise: ErrorCode = ErrorCode.EVENT_NOT_IN_PROGRESS
    """The refusal in any other status but ``finished``, which has its own."""


_ALL: Final[frozenset[EventStatus]] = frozenset(
    {"not_started", "in_progress", "paused", "finished"}
)
_LIVE: Final = _ALL - {"finished"}
_BEFORE: Final[frozenset[EventStatus]] = frozenset({"not_started"})
_RUNNING: Final[frozenset[EventStatus]] = frozenset({"in_progress"})
_STARTED: Final[frozenset[EventStatus]] = frozenset({"in_progress", "paused"})

_ANYONE, _MEMBER, _ADMIN = RequiredRole.ANYONE, RequiredRole.MEMBER, RequiredRole.ADMIN
_DIRECT = Permission(_ADMIN, _BEFORE, ErrorCode.INVALID_TRANSITION)

PERMISSIONS: Final[dict[type[c.Command], Permission]] = {
    c.EventCreate: Permission(_ANYONE, _ALL),
    # The subject only before the start: the handler says so, where one is given.
    c.EventUpdate: Permission(_ADMIN, _LIVE),
    c.EventSetPolicy: Permission(_ADMIN, _LIVE),
    c.EventRotateCode: Permission(_ADMIN, _LIVE),
    # What they are possible from is the transitions' table.
    c.EventStart: Permission(_ADMIN, _ALL),
    c.EventPause: Permission(_ADMIN, _ALL),
    c.EventResume: Permission(_ADMIN, _ALL),
    c.EventFinish: Permission(_ADMIN, _ALL),
    c.OptionAdd: _DIRECT,
    c.OptionEdit: _DIRECT,
    c.OptionRemove: _DIRECT,
    c.AssumptionAdd: _DIRECT,
    c.AssumptionEdit: _DIRECT,
    c.AssumptionRemove: _DIRECT,
    c.CriterionAdd: _DIRECT,
    c.CriterionEdit: _DIRECT,
    c.CriterionRemove: _DIRECT,
    # In a live event only: the handler says so, once the code has shown that one may know.
    c.MembershipJoin: Permission(_ANYONE, _ALL),
    c.MembershipCancel: Permission(_ANYONE, _ALL),
    c.MembershipLeave: Permission(_ANYONE, _ALL),
    c.MembershipApprove: Permission(_ADMIN, _LIVE),
    c.MembershipReject: Permission(_ADMIN, _LIVE),
    c.MembershipRemove: Permission(_ADMIN, _LIVE),
    c.MembershipApproveAll: Permission(_ADMIN, _LIVE),
    c.MembershipRejectAll: Permission(_ADMIN, _LIVE),
    c.MembershipSetRole: Permission(_ADMIN, _ALL),
    c.ProposalCreate: Permission(_MEMBER, _RUNNING),
    c.ProposalWithdraw: Permission(_MEMBER, _STARTED),
    c.ProposalRebase: Permission(_MEMBER, _RUNNING),
    c.ProposalAccept: Permission(_ADMIN, _STARTED),
    c.ProposalReject: Permission(_ADMIN, _STARTED),
    c.ProposalModerate: Permission(_ADMIN, _STARTED),
    c.ProposalRevert: Permission(_ADMIN, _STARTED),
    c.VoteCast: Permission(_MEMBER, _RUNNING),
    c.VoteRetract: Permission(_MEMBER, _RUNNING),
    c.BallotSubmit: Permission(_MEMBER, _RUNNING),
    c.BallotClear: Permission(_MEMBER, _RUNNING),
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
        if role is RequiredRole.ADMIN and own.role != "admin":
            raise FinalError(ErrorCode.FORBIDDEN, details={"role": own.role})
    if step.state.event_record is None:
        return
    status = step.event.status
    if status not in statuses:
        if status == "finished":
            raise FinalError(ErrorCode.EVENT_FINISHED)
        raise FinalError(otherwise, details={"status": status})
