"""``membership.*``: who takes part, who lets them in, and what their going takes along."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from handlers import tallies
from handlers.registry import handles
from handlers.resolution import look_at_all
from handlers.step import Outcome, Step
from handlers.transitions import membership_transition
from persistence.records import Membership
from protocol import commands as c
from protocol.answers import timestamp
from protocol.errors import ErrorCode, Refusal


@handles(c.MembershipJoin)
def join(step: Step, command: c.MembershipJoin) -> Outcome:
    """Come in where the policy lets everyone in, else wait for an admin."""
    held = step.state.membership(step.user)
    event = step.event
    if command.code != event.entrance_code:
        raise Refusal(ErrorCode.NOT_FOUND, "this code opens nothing", details={"path": "code"})
    if event.status == "finished":
        raise Refusal(ErrorCode.EVENT_FINISHED)
    if held is not None and held.status in ("accepted", "pending"):
        return Outcome({"event": event.id, "status": held.status}, applied=False)
    act = "join" if event.policy.membership_auto else "ask"
    status = membership_transition(act, held.status if held else None)
    assert status in ("accepted", "pending")
    asking = Membership(
        user_id=step.user,
        name=step.actor.name,
        status="pending",
        requested_at=step.now,
        # Kept from before, if they ever were a member: then there may be votes of theirs.
        joined_at=held.joined_at if held else None,
        # And of who was removed, that they were: taking the request back does not undo it.
        ended_at=held.ended_at if held and held.status == "removed" else None,
        decided_by=held.decided_by if held and held.status == "removed" else None,
    )
    if status == "accepted":
        _let_in(step, asking)
    else:
        step.put(asking)
    return Outcome({"event": event.id, "status": status})


def _let_in(step: Step, *asking: Membership, by: str | None = None) -> None:
    """Make all of ``asking`` accepted members; raises ``event_full``."""
    if step.event.places < len(asking):
        raise Refusal(ErrorCode.EVENT_FULL, details={"max_members": step.event.max_members})
    returning = [one.user_id for one in asking if one.joined_at is not None]
    # First: what is not held of them is asked for in one, while nothing is done yet.
    tallies.members_return(step, *returning)
    for one in asking:
        _accept(step, one, by)


def _accept(step: Step, asking: Membership, by: str | None) -> None:
    event = step.event
    number = event.joins + 1
    ceiling = event.member_ceiling
    if ceiling is None and event.members - event.admins >= step.limits.members_shown:
        ceiling = event.joins
    step.put(
        replace(
            asking,
            status="accepted",
            role="member",
            joined_at=step.now,
            ended_at=None,
            decided_by=by,
            joined_no=number,
        )
    )
    step.change_event(members=event.members + 1, joins=number, member_ceiling=ceiling)


@handles(c.MembershipCancel)
def cancel(step: Step, command: c.MembershipCancel) -> Outcome:
    """Take one's request back, as if it had never been."""
    held = _own(step)
    membership_transition("cancel", held.status)
    if held.ended_at is not None:
        step.put(replace(held, status="removed"))
    else:
        step.drop("memberships", step.user)
        if held.joined_at is not None:
            # Nothing tells any more that they were here, should they come again.
            tallies.member_is_forgotten(step, step.user)
    return Outcome({})


@handles(c.MembershipLeave)
def leave(step: Step, command: c.MembershipLeave) -> Outcome:
    """Go; a last admin hands the event to somebody first."""
    held = _own(step)
    if held.status == "left":
        return Outcome({"status": "left"}, applied=False)
    if held.status != "accepted":
        raise Refusal(ErrorCode.NOT_A_MEMBER, details={"status": held.status})
    heir = command.transfer_to
    if heir is not None:
        if held.role != "admin":
            raise Refusal(ErrorCode.FORBIDDEN, "only an admin can name a successor")
        successor = step.member(heir, "transfer_to")
        if successor.status != "accepted" or heir == step.user:
            raise Refusal(
                ErrorCode.INVALID_TRANSITION,
                "the successor is not an accepted member",
                details={"path": "transfer_to", "status": successor.status},
            )
        if successor.role != "admin":
            step.put(replace(successor, role="admin"))
            step.change_event(admins=step.event.admins + 1)
    _put_out(step, held, "leave")
    return Outcome({"status": "left"})


@handles(c.MembershipRemove)
def remove(step: Step, command: c.MembershipRemove) -> Outcome:
    """Put a member out."""
    held = step.member(command.user)
    if held.status == "removed":
        return Outcome(_decision(held), applied=False)
    membership_transition("remove", held.status)
    return Outcome(_decision(_put_out(step, held, "remove")))


def _put_out(step: Step, held: Membership, act: str) -> Membership:
    """``held`` ends: votes and ballot go, and every pending proposal is looked at once."""
    _spare_last_admin(step, held)
    status = membership_transition(act, held.status)
    assert status is not None
    ended = replace(
        held, status=status, role="member", ended_at=step.now, decided_by=step.user, joined_no=None
    )
    event = step.event
    step.put(ended)
    step.change_event(members=event.members - 1, admins=event.admins - (held.role == "admin"))
    tallies.member_goes(step, held.user_id)
    # The results of a finished event stand, and the ballots they were counted from.
    if event.status != "finished" and event.ballots and step.state.ballot(held.user_id) is not None:
        step.drop("ballots", held.user_id)
        step.change_event(ballots=event.ballots - 1)
    look_at_all(step)
    return ended


def _spare_last_admin(step: Step, held: Membership) -> None:
    if held.role == "admin" and step.event.admins <= 1:
        raise Refusal(ErrorCode.LAST_ADMIN)


@handles(c.MembershipApprove)
def approve(step: Step, command: c.MembershipApprove) -> Outcome:
    """Let one in who waits."""
    held = step.member(command.user)
    if held.status == "accepted":
        return Outcome(_decision(held), applied=False)
    _check_undecided(held, "approve")
    _let_in(step, held, by=step.user)
    return Outcome(_decision(step.member(command.user)))


@handles(c.MembershipReject)
def reject(step: Step, command: c.MembershipReject) -> Outcome:
    """Turn one away who waits."""
    held = step.member(command.user)
    if held.status == "rejected":
        return Outcome(_decision(held), applied=False)
    _check_undecided(held, "reject")
    return Outcome(_decision(_turn_away(step, held)))


def _turn_away(step: Step, held: Membership) -> Membership:
    turned = replace(held, status="rejected", ended_at=step.now, decided_by=step.user)
    step.put(turned)
    return turned


def _check_undecided(held: Membership, act: str) -> None:
    """Another admin's opposite decision stands: ``already_resolved``."""
    if held.status in ("accepted", "rejected"):
        raise Refusal(ErrorCode.ALREADY_RESOLVED, details=_decision(held))
    membership_transition(act, held.status)


@handles(c.MembershipApproveAll)
def approve_all(step: Step, command: c.MembershipApproveAll) -> Outcome:
    """Let in as many as there is room for, the longest waiting first."""
    waiting = step.state.waiting()
    places = step.event.places
    _let_in(step, *waiting[:places], by=step.user)
    names = [asking.user_id for asking in waiting]
    approved, others = names[:places], names[places:]
    return Outcome({"approved": approved, "waiting": others}, applied=bool(approved))


@handles(c.MembershipRejectAll)
def reject_all(step: Step, command: c.MembershipRejectAll) -> Outcome:
    """Turn away all who wait."""
    waiting = step.state.waiting()
    for asking in waiting:
        _turn_away(step, asking)
    names = [asking.user_id for asking in waiting]
    return Outcome({"approved": [], "waiting": [], "rejected": names}, applied=bool(names))


@handles(c.MembershipSetRole)
def set_role(step: Step, command: c.MembershipSetRole) -> Outcome:
    """Make an admin, or an admin a member again."""
    held = step.member(command.user)
    if held.status != "accepted":
        raise Refusal(
            ErrorCode.INVALID_TRANSITION,
            "only an accepted member has a role",
            details={"path": "user", "status": held.status},
        )
    result = {"user": held.user_id, "role": command.role}
    if held.role == command.role:
        return Outcome(result, applied=False)
    _spare_last_admin(step, held)
    step.put(replace(held, role=command.role))
    step.change_event(admins=step.event.admins + (1 if command.role == "admin" else -1))
    return Outcome(result)


def _own(step: Step) -> Membership:
    held = step.state.membership(step.user)
    if held is None:
        raise Refusal(ErrorCode.NOT_FOUND, details={"path": "event"})
    return held


def _decision(held: Membership) -> dict[str, Any]:
    """What was decided of ``held``, by whom and when."""
    at = held.joined_at if held.status == "accepted" else held.ended_at
    told = {
        "user": held.user_id,
        "status": held.status,
        "by": held.decided_by,
        "at": at and timestamp(at),
    }
    return {key: value for key, value in told.items() if value is not None}
