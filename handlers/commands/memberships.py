"""``membership.*``: leaving, names, roles, and the decisions of admins about requests."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from handlers.commands import ballots
from handlers.commands.joining import let_in
from handlers.rules import tallies
from handlers.rules.requests import asked_by, show_oldest
from handlers.rules.resolution import close, evaluate_all, evaluate_each
from handlers.rules.transitions import membership_transition
from handlers.step import Outcome, Step
from persistence.event.records import Membership
from protocol import commands as c
from protocol.answers import timestamp
from protocol.errors import ErrorCode, FinalError

#: Users that one answer names; further ones are only counted. A longer list would not fit a
#: socket's buffer for answers, and close the socket.
MAX_NAMED = 200
#: Requests that one command decides; the others wait for the next command, and the answer counts
#: them in `waiting_count`. A step is decided in one iteration of the event loop.
MAX_DECIDED_TOGETHER = 5_000


def rename(step: Step, command: c.MembershipRename) -> Outcome:
    """Another name for oneself, in this event alone."""
    held = _own(step)
    result = {"name": command.name}
    if held.name == command.name:
        return Outcome(result, applied=False)
    step.put(replace(held, name=command.name))
    return Outcome(result)


def cancel(step: Step, command: c.MembershipCancel) -> Outcome:
    """Withdraw the actor's request, as if it had never been made."""
    membership = _own(step)
    membership_transition("cancel", membership.status)
    if membership.ended_at is not None:
        step.put(replace(membership, status="removed", request_no=None))
    else:
        step.drop("memberships", step.user)
        if membership.joined_at is not None:
            # Without the request nothing records the earlier membership.
            tallies.member_is_forgotten(step, step.user)
    show_oldest(step)
    return Outcome({})


def leave(step: Step, command: c.MembershipLeave) -> Outcome:
    """End the actor's membership; the last admin must name a successor.

    Raises ``not_a_member``, ``last_admin``, or for a wrong successor ``forbidden`` or
    ``invalid_transition``.
    """
    membership = _own(step)
    if membership.status == "left":
        return Outcome({"status": "left"}, applied=False)
    if membership.status != "accepted":
        raise FinalError(ErrorCode.NOT_A_MEMBER, details={"status": membership.status})
    heir = command.transfer_to
    if heir is not None:
        if not membership.leads:
            raise FinalError(ErrorCode.FORBIDDEN, "only an admin can name a successor")
        successor = step.member(heir, "transfer_to")
        if successor.status != "accepted" or heir == step.user:
            raise FinalError(
                ErrorCode.INVALID_TRANSITION,
                "the successor is not an accepted member",
                details={"path": "transfer_to", "status": successor.status},
            )
        if not successor.leads:
            step.put(replace(successor, role="admin"))
            step.change_event(admins=step.event.admins + 1)
    _put_out(step, membership, "leave")
    return Outcome({"status": "left"})


def remove(step: Step, command: c.MembershipRemove) -> Outcome:
    """Remove a member. On request also close their pending proposals, even if they left before."""
    membership = step.member(command.user)
    if command.close_proposals and membership.status != "accepted":
        closed = _close_proposals(step, membership.user_id)
        return Outcome(_decision(membership) | {"closed": closed}, applied=closed > 0)
    if membership.status == "removed":
        return Outcome(_decision(membership), applied=False)
    membership_transition("remove", membership.status)
    if not command.close_proposals:
        return Outcome(_decision(_put_out(step, membership, "remove")))
    _spare_last_admin(step, membership)
    closed = _close_proposals(step, membership.user_id)
    return Outcome(_decision(_put_out(step, membership, "remove")) | {"closed": closed})


def _close_proposals(step: Step, author: str) -> int:
    """Close all pending proposals of ``author``; return how many."""
    pending = [found for found in step.state.pending_proposals() if found.author == author]
    for proposal in pending:
        close(step, proposal, status="deleted", resolution="moderated")
    return len(pending)


def _put_out(step: Step, membership: Membership, act: str) -> Membership:
    """End ``membership``: drop votes and ballot, and evaluate every pending proposal once."""
    _spare_last_admin(step, membership)
    status = membership_transition(act, membership.status)
    assert status is not None
    ended = replace(
        membership,
        status=status,
        role="member",
        ended_at=step.now,
        decided_by=step.user,
        joined_no=None,
        vote_no=None,
    )
    event = step.event
    step.put(ended)
    step.change_event(admins=event.admins - membership.leads)
    if membership.has_vote:
        step.change_event(members=event.members - 1)
        _withdraw_votes(step, membership)
    else:
        step.change_event(organisers=event.organisers - 1)
    evaluate_all(step)
    return ended


def _withdraw_votes(step: Step, membership: Membership) -> None:
    """Drop the votes on pending proposals, and the ballot, of a user who has no vote any more."""
    event = step.event
    tallies.member_goes(step, membership)
    # The results of a finished event are final, and so are the ballots they were counted from.
    if event.status != "finished" and event.ballots:
        ballot = step.state.ballot(membership.user_id)
        if ballot is not None:
            ballots.drop(step, ballot)


def _spare_last_admin(step: Step, membership: Membership) -> None:
    if membership.leads and step.event.admins <= 1:
        raise FinalError(ErrorCode.LAST_ADMIN)


def approve(step: Step, command: c.MembershipApprove) -> Outcome:
    """Accept one applicant."""
    membership = step.member(command.user)
    if membership.status == "accepted":
        return Outcome(_decision(membership), applied=False)
    _check_undecided(membership, "approve")
    let_in(step, membership, by=step.user)
    return Outcome(_decision(step.member(command.user)))


def reject(step: Step, command: c.MembershipReject) -> Outcome:
    """Reject one applicant."""
    membership = step.member(command.user)
    if membership.status == "rejected":
        return Outcome(_decision(membership), applied=False)
    _check_undecided(membership, "reject")
    turned = _turn_away(step, membership)
    show_oldest(step)
    return Outcome(_decision(turned))


def _turn_away(step: Step, membership: Membership) -> Membership:
    turned = replace(
        membership, status="rejected", ended_at=step.now, decided_by=step.user, request_no=None
    )
    step.put(turned)
    return turned


def _check_undecided(membership: Membership, act: str) -> None:
    """Raise ``already_resolved`` if another admin decided otherwise."""
    if membership.status in ("accepted", "rejected"):
        raise FinalError(ErrorCode.ALREADY_RESOLVED, details=_decision(membership))
    membership_transition(act, membership.status)


def approve_all(step: Step, command: c.MembershipApproveAll) -> Outcome:
    """Accept as many applicants as there are places, longest waiting first."""
    if step.event.requests is None:
        return _approve_all_by_name(step, command.upto)
    count = step.event.requests
    room = min(step.event.places, MAX_DECIDED_TOGETHER)
    oldest = step.state.oldest_requests(room + MAX_NAMED)
    approved, waiting = _until(oldest, command.upto, room)
    let_in(step, *approved, by=step.user)
    result = _named("approved", approved, len(approved))
    result |= _named("waiting", waiting, count - len(approved))
    return Outcome(result, applied=bool(approved))


def _until(
    oldest: list[Membership], upto: int | None, most: int
) -> tuple[list[Membership], list[Membership]]:
    """The requests to decide: of the first ``most``, those made by ``upto``; and all others."""
    decided = [asking for asking in oldest[:most] if asked_by(asking, upto)]
    chosen = {asking.user_id for asking in decided}
    return decided, [asking for asking in oldest if asking.user_id not in chosen]


def _named(word: str, memberships: list[Membership], count: int) -> dict[str, Any]:
    """Return up to ``MAX_NAMED`` user ids of ``memberships``, and ``count``, under the keys of
    ``word``.
    """
    return {
        word: [membership.user_id for membership in memberships[:MAX_NAMED]],
        f"{word}_count": count,
    }


def _approve_all_by_name(step: Step, upto: int | None) -> Outcome:
    """Do the same for an event whose requests are not numbered."""
    approved, waiting = _until(step.state.waiting(), upto, step.event.places)
    let_in(step, *approved, by=step.user)
    result = {"approved": approved, "waiting": waiting}
    names = {word: [asking.user_id for asking in found] for word, found in result.items()}
    return Outcome(names, applied=bool(approved))


def reject_all(step: Step, command: c.MembershipRejectAll) -> Outcome:
    """Reject all applicants, longest waiting first."""
    if step.event.requests is None:
        return _reject_all_by_name(step, command.upto)
    count = step.event.requests
    oldest = step.state.oldest_requests(MAX_DECIDED_TOGETHER + MAX_NAMED)
    rejected, waiting = _until(oldest, command.upto, MAX_DECIDED_TOGETHER)
    for asking in rejected:
        _turn_away(step, asking)
    if rejected:
        show_oldest(step)
    result = _named("approved", [], 0) | _named("waiting", waiting, count - len(rejected))
    result |= _named("rejected", rejected, len(rejected))
    return Outcome(result, applied=bool(rejected))


def _reject_all_by_name(step: Step, upto: int | None) -> Outcome:
    """Do the same for an event whose requests are not numbered."""
    held = step.state.waiting()
    rejected, waiting = _until(held, upto, len(held))
    for asking in rejected:
        _turn_away(step, asking)
    names = [asking.user_id for asking in rejected]
    others = [asking.user_id for asking in waiting]
    return Outcome({"approved": [], "waiting": others, "rejected": names}, applied=bool(names))


def set_role(step: Step, command: c.MembershipSetRole) -> Outcome:
    """Make a member an admin, an organiser or a member.

    Raises ``invalid_transition`` for a user who is no accepted member, and ``last_admin``.
    """
    membership = step.member(command.user)
    if membership.status != "accepted":
        raise FinalError(
            ErrorCode.INVALID_TRANSITION,
            "only an accepted member has a role",
            details={"path": "user", "status": membership.status},
        )
    result = {"user": membership.user_id, "role": command.role}
    if membership.role == command.role:
        return Outcome(result, applied=False)
    changed = replace(membership, role=command.role)
    if not changed.leads:
        _spare_last_admin(step, membership)
    step.put(changed)
    step.change_event(admins=step.event.admins + changed.leads - membership.leads)
    if membership.has_vote and not changed.has_vote:
        _lose_vote(step, changed)
    elif changed.has_vote and not membership.has_vote:
        _gain_vote(step, changed)
    return Outcome(result)


def _lose_vote(step: Step, membership: Membership) -> None:
    """Count ``membership`` as an organiser's: its votes go, and each proposal is evaluated."""
    event = step.event
    step.change_event(members=event.members - 1, organisers=event.organisers + 1)
    _withdraw_votes(step, membership)
    evaluate_all(step)


def _gain_vote(step: Step, membership: Membership) -> None:
    """Count ``membership`` as a voter's; its old votes, now inactive, count as taking part."""
    event = step.event
    number = event.joins + 1
    step.put(replace(membership, vote_no=number))
    step.change_event(members=event.members + 1, organisers=event.organisers - 1, joins=number)
    evaluate_each(step, tallies.members_return(step, membership.user_id))


def _own(step: Step) -> Membership:
    membership = step.state.membership(step.user)
    if membership is None:
        raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
    return membership


def _decision(membership: Membership) -> dict[str, Any]:
    """Return status, decider and time of ``membership``; a pending one has no decision yet."""
    if membership.status == "pending":
        return {"user": membership.user_id, "status": membership.status}
    at = membership.joined_at if membership.status == "accepted" else membership.ended_at
    fields = {
        "user": membership.user_id,
        "status": membership.status,
        "by": membership.decided_by,
        "at": at and timestamp(at),
    }
    return {key: value for key, value in fields.items() if value is not None}
