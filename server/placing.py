"""Bringing a subscription up: from what its client knows to what the room shows.

Shared by the socket's desk and the streams over HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from handlers import views
from handlers.audiences import Audience
from persistence.reading import Own
from protocol import answers, merge_patch
from protocol.errors import ErrorCode, Refusal
from protocol.requests import Subscribe
from server.room import Room, RoomStep, merge
from server.subscription import Subscription

if TYPE_CHECKING:
    from server.node import Node

log = logging.getLogger("ayes.rooms")


class Placed(NamedTuple):
    """A subscription with its position, and the message that brings its client there."""

    event: str
    subscription: Subscription
    message: bytes


async def bring_up(
    node: Node,
    subscription: Subscription,
    own: Own,
    request: Subscribe,
    *,
    reason: str = "initial",
    writable: Callable[[], Awaitable[None]] | None = None,
) -> Placed:
    """``resumed`` where the client's position allows it, else a snapshot and why.

    Sets the subscription's audience and position; it is not live yet. Nothing waits between what
    is read last and the return. Raises ``not_a_member`` where that is no longer one.
    """
    room = subscription.room
    steps = None
    if request.epoch is not None and request.seq is not None:
        reason = _why_not_resumed(room, request.epoch, request.seq, node.settings.resume_steps)
        if not reason:
            steps = await node.rooms.steps_since(room, request.seq)
            reason = "gap"
    if writable is not None:
        await writable()
    you, audience = standing(subscription, own)
    if steps is not None and _role_changed(steps, subscription.user):
        steps, reason = None, "role"
    subscription.audience = audience
    if steps is None:
        subscription.seq = room.seq
        message = answers.snapshot(
            event=room.event_id,
            epoch=room.epoch,
            seq=room.seq,
            reason=reason,
            state=room.snapshot(audience),
            you=answers.encode(you),
            ref=request.ref,
        )
    else:
        assert request.seq is not None
        subscription.seq = steps[-1].seq if steps else request.seq
        message = answers.resumed(
            event=room.event_id,
            epoch=room.epoch,
            from_=request.seq,
            seq=subscription.seq,
            patch=answers.encode(merge(steps, audience)),
            you=answers.encode(you),
            ref=request.ref,
        )
    return Placed(room.event_id, subscription, message)


def _why_not_resumed(room: Room, epoch: str, seq: int, farthest: int) -> str:
    if epoch != room.epoch:
        return "epoch"
    if seq > room.seq:
        log.critical(
            "event %s: a client knows step %d, the database only %d: committed data was lost",
            room.event_id,
            seq,
            room.seq,
        )
        return "ahead"
    return "gap" if room.seq - seq > farthest else ""


def _role_changed(steps: list[RoomStep], user: str) -> bool:
    """Whether what ``user`` may see is not what they could see before these steps."""
    return any("membership" in step.patches.you.get(user, {}) for step in steps)


def standing(subscription: Subscription, own: Own) -> tuple[dict[str, Any], Audience]:
    """The whole ``you``, with what was told since it was read, and the audience it puts one in.

    Raises ``not_a_member`` where that is no longer one.
    """
    you: dict[str, Any] = {
        "membership": views.membership_view(own.membership),
        "votes": dict(own.votes),
    }
    if own.ballot is not None:
        you["ballot"] = views.ballot_view(own.ballot)
    merge_patch.apply(you, subscription.take_own())
    membership = you["membership"]
    status = membership.get("status")
    if status == "pending":
        return you, "applicant"
    if status != "accepted":
        raise Refusal(ErrorCode.NOT_A_MEMBER, details={"status": status})
    return you, "admin" if membership.get("role") == "admin" else "member"
