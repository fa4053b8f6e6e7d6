"""``membership.*``: who takes part, who lets them in, and what their going takes along."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from handlers.rules import tallies
from handlers.rules.requests import put_request, show_oldest
from handlers.rules.resolution import close, look_at_all, look_at_each
from handlers.rules.transitions import membership_transition
from handlers.step import Outcome, Step
from persistence.event.records import Membership
from protocol import commands as c
from protocol.answers import timestamp
from protocol.errors import ErrorCode, Refusal

#: People that one answer names. A longer list would not fit a socket's buffer for answers, which
#: ends the socket; the counts beside it are whole.
MAX_NAMED = 200
#: Requests that one command decides. A step is decided in one turn of the loop; further ones wait
#: for the next command, and the answer counts them in `waiting_count`.
MAX_DECIDED_TOGETHER = 5_000


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
        put_request(step, asking)
    return Outcome({"event": event.id, "status": status})


def _let_in(step: Step, *asking: Membership, by: str | None = None) -> None:
    """Make all of ``asking`` accepted members; raises ``event_full``."""
    if step.event.places < len(asking):
        raise Refusal(ErrorCode.EVENT_FULL, details={"max_members": step.event.max_members})
    returning = [one.user_id for one in asking if one.joined_at is not None]
    # First: what is not held of them is asked for in one, while nothing is done yet.
    took_part = tallies.members_return(step, *returning)
    for one in asking:
        _accept(step, one, by)
    show_oldest(step)
    if step.limits.rules >= 3:
        # A return is no vote, but the quorum may be met by it.
        look_at_each(step, took_part)


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
            request_no=None,
        )
    )
    step.change_event(members=event.members + 1, joins=number, member_ceiling=ceiling)


def cancel(step: Step, command: c.MembershipCancel) -> Outcome:
    """Take one's request back, as if it had never been."""
    held = _own(step)
    membership_transition("cancel", held.status)
    if held.ended_at is not None:
        step.put(replace(held, status="removed", request_no=None))
    else:
        step.drop("memberships", step.user)
        if held.joined_at is not None:
            # Nothing tells any more that they were here, should they come again.
            tallies.member_is_forgotten(step, step.user)
    show_oldest(step)
    return Outcome({})


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


def remove(step: Step, command: c.MembershipRemove) -> Outcome:
    """Put a member out; on request close their pending proposals, also of a former member."""
    held = step.member(command.user)
    if command.close_proposals and held.status != "accepted":
        closed = _close_proposals(step, held.user_id)
        return Outcome(_decision(held) | {"closed": closed}, applied=closed > 0)
    if held.status == "removed":
        return Outcome(_decision(held), applied=False)
    membership_transition("remove", held.status)
    if not command.close_proposals:
        return Outcome(_decision(_put_out(step, held, "remove")))
    _spare_last_admin(step, held)
    closed = _close_proposals(step, held.user_id)
    return Outcome(_decision(_put_out(step, held, "remove")) | {"closed": closed})


def _close_proposals(step: Step, author: str) -> int:
    """Close all that ``author`` has pending; how many."""
    pending = [found for found in step.state.pending_proposals() if found.author == author]
    for proposal in pending:
        close(step, proposal, status="deleted", resolution="moderated")
    return len(pending)


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


def approve(step: Step, command: c.MembershipApprove) -> Outcome:
    """Let one in who waits."""
    held = step.member(command.user)
    if held.status == "accepted":
        return Outcome(_decision(held), applied=False)
    _check_undecided(held, "approve")
    _let_in(step, held, by=step.user)
    return Outcome(_decision(step.member(command.user)))


def reject(step: Step, command: c.MembershipReject) -> Outcome:
    """Turn one away who waits."""
    held = step.member(command.user)
    if held.status == "rejected":
        return Outcome(_decision(held), applied=False)
    _check_undecided(held, "reject")
    turned = _turn_away(step, held)
    show_oldest(step)
    return Outcome(_decision(turned))


def _turn_away(step: Step, held: Membership) -> Membership:
    turned = replace(
        held, status="rejected", ended_at=step.now, decided_by=step.user, request_no=None
    )
    step.put(turned)
    return turned


def _check_undecided(held: Membership, act: str) -> None:
    """Another admin's opposite decision stands: ``already_resolved``."""
    if held.status in ("accepted", "rejected"):
        raise Refusal(ErrorCode.ALREADY_RESOLVED, details=_decision(held))
    membership_transition(act, held.status)


def approve_all(step: Step, command: c.MembershipApproveAll) -> Outcome:
    """Let in as many as there is room for, the longest waiting first."""
    if step.event.requests is None:
        return _approve_all_by_name(step)
    count = step.event.requests
    room = min(step.event.places, MAX_DECIDED_TOGETHER)
    oldest = step.state.oldest_requests(room + MAX_NAMED)
    approved, waiting = oldest[:room], oldest[room:]
    _let_in(step, *approved, by=step.user)
    result = _named("approved", approved, len(approved))
    result |= _named("waiting", waiting, count - len(approved))
    return Outcome(result, applied=bool(approved))


def _named(word: str, memberships: list[Membership], count: int) -> dict[str, Any]:
    """Some of the ``memberships`` by name, and how many there are."""
    return {
        word: [membership.user_id for membership in memberships[:MAX_NAMED]],
        f"{word}_count": count,
    }


def _approve_all_by_name(step: Step) -> Outcome:
    """The same, before requests were numbered."""
    waiting = step.state.waiting()
    places = step.event.places
    _let_in(step, *waiting[:places], by=step.user)
    names = [asking.user_id for asking in waiting]
    approved, others = names[:places], names[places:]
    return Outcome({"approved": approved, "waiting": others}, applied=bool(approved))


def reject_all(step: Step, command: c.MembershipRejectAll) -> Outcome:
    """Turn away all who wait, the longest waiting first."""
    if step.event.requests is None:
        return _reject_all_by_name(step)
    count = step.event.requests
    oldest = step.state.oldest_requests(MAX_DECIDED_TOGETHER + MAX_NAMED)
    rejected, waiting = oldest[:MAX_DECIDED_TOGETHER], oldest[MAX_DECIDED_TOGETHER:]
    for asking in rejected:
        _turn_away(step, asking)
    show_oldest(step)
    result = _named("approved", [], 0) | _named("waiting", waiting, count - len(rejected))
    result |= _named("rejected", rejected, len(rejected))
    return Outcome(result, applied=bool(rejected))


def _reject_all_by_name(step: Step) -> Outcome:
    """The same, before requests were numbered."""
    waiting = step.state.waiting()
    for asking in waiting:
        _turn_away(step, asking)
    names = [asking.user_id for asking in waiting]
    return Outcome({"approved": [], "waiting": [], "rejected": names}, applied=bool(names))


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
    """What was decided of ``held``, by whom and when; a request is not decided yet."""
    if held.status == "pending":
        return {"user": held.user_id, "status": held.status}
    at = held.joined_at if held.status == "accepted" else held.ended_at
    told = {
        "user": held.user_id,
        "status": held.status,
        "by": held.decided_by,
        "at": at and timestamp(at),
    }
    return {key: value for key, value in told.items() if value is not None}
