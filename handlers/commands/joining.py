"""``membership.join`` and ``membership.add``: the ways into an event."""

from __future__ import annotations

from msgspec.structs import replace

from handlers.rules import tallies
from handlers.rules.invitations import GUEST_PREFIX, invitation_of, is_reserved
from handlers.rules.requests import put_request, show_oldest
from handlers.rules.resolution import evaluate_each
from handlers.rules.transitions import membership_transition
from handlers.step import Outcome, Step
from persistence.event.records import Invitation, Membership
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError


def join(step: Step, command: c.MembershipJoin) -> Outcome:
    """Accept the actor if an invitation or the policy admits them, or put a request.

    Raises ``not_found`` for a code or invitation that opens nothing, ``event_finished``, or
    ``forbidden`` for guests if the event takes none.
    """
    membership = step.state.membership(step.user)
    event = step.event
    if command.invitation is None and command.code != event.entrance_code:
        raise FinalError(ErrorCode.NOT_FOUND, "this code opens nothing", details={"path": "code"})
    invitation = _invitation(step, command)
    if event.status == "finished":
        raise FinalError(ErrorCode.EVENT_FINISHED)
    standing = membership.status if membership is not None else None
    if standing == "accepted" or (standing == "pending" and invitation is None):
        return Outcome({"event": event.id, "status": standing}, applied=False)
    if step.user.startswith(GUEST_PREFIX) and invitation is None and not event.policy.guests:
        raise FinalError(
            ErrorCode.FORBIDDEN, "this event takes no guests", details={"path": "policy.guests"}
        )
    act = "join" if event.policy.membership_auto else "ask"
    if invitation is not None and standing != "removed":
        act = "invite"
    status = membership_transition(act, membership.status if membership else None)
    assert status in ("accepted", "pending")
    asking = Membership(
        user_id=step.user,
        name=step.actor.name,
        status="pending",
        requested_at=step.now,
        request_seq=membership.request_seq if membership else None,
        # Kept from an earlier membership: its votes may still be there.
        joined_at=membership.joined_at if membership else None,
        ballot_revision=membership.ballot_revision if membership else None,
        # A removal is kept too: cancelling the request must not undo it.
        ended_at=membership.ended_at if membership and membership.status == "removed" else None,
        decided_by=membership.decided_by if membership and membership.status == "removed" else None,
    )
    if status == "accepted":
        let_in(step, asking)
        if invitation is not None:
            step.put(replace(invitation, status="used", user_id=step.user))
    else:
        put_request(step, asking)
    return Outcome({"event": event.id, "status": status})


def _invitation(step: Step, command: c.MembershipJoin) -> Invitation | None:
    """Return the open invitation that the actor joins by, if any.

    An invited user has one whichever way they come. A revoked one opens nothing, also for the user
    it was for; one that another user has used is ``invalid_transition``.
    """
    own = invitation_of(step.user)
    if command.invitation is None and own is None:
        return None
    invitation = step.state.invitation(command.invitation or own or "")
    if invitation is None or invitation.status == "revoked":
        raise FinalError(
            ErrorCode.NOT_FOUND, "this invitation opens nothing", details={"path": "invitation"}
        )
    if invitation.status == "open":
        return invitation
    if invitation.user_id != step.user:
        raise FinalError(
            ErrorCode.INVALID_TRANSITION,
            "this invitation was used",
            details={"path": "invitation", "status": invitation.status},
        )
    return None


def let_in(step: Step, *asking: Membership, by: str | None = None) -> None:
    """Accept all of ``asking`` as members; raise ``event_full`` if there are too few places."""
    if step.event.places < len(asking):
        raise FinalError(ErrorCode.EVENT_FULL, details={"max_members": step.event.max_members})
    if not asking:
        # A step that changes nothing sends nothing, so the window of requests must stay.
        return
    returning = [one.user_id for one in asking if one.joined_at is not None]
    # First, so that missing records are asked for in one go, before anything is changed.
    took_part = tallies.members_return(step, *returning)
    for one in asking:
        _accept(step, one, by)
    show_oldest(step)
    if step.limits.rules >= 3:
        # A return casts no vote, but it can meet the quorum.
        evaluate_each(step, took_part)


def _accept(step: Step, asking: Membership, by: str | None) -> None:
    event = step.event
    number = event.joins + 1
    ceiling = event.member_ceiling
    if ceiling is None and event.accepted - event.admins >= step.limits.members_shown:
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


def add(step: Step, command: c.MembershipAdd) -> Outcome:
    """Accept people who did not ask, all of them or none.

    Raises ``bad_request`` for guests and invited people, and ``event_full``.
    """
    for number, person in enumerate(command.people):
        if is_reserved(person.user):
            raise FinalError(
                ErrorCode.BAD_REQUEST,
                "guests and invited people join by themselves",
                details={"path": f"people[{number}].user"},
            )
    people = {person.user: person for person in reversed(command.people)}
    step.state.require_memberships(list(people))
    added: list[Membership] = []
    for user in dict.fromkeys(person.user for person in command.people):
        membership, name = step.state.membership(user), people[user].name
        if membership is not None and membership.status == "accepted":
            continue
        membership_transition("add", membership.status if membership else None)
        if membership is None:
            membership = Membership(
                user_id=user, name=name or user, status="pending", requested_at=step.now
            )
        elif name is not None:
            membership = replace(membership, name=name)
        added.append(membership)
    let_in(step, *added, by=step.user)
    return Outcome({"added": [one.user_id for one in added]}, applied=bool(added))
