"""Brings a subscription from its client's position to the room's.

Used by sockets and by HTTP streams.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from handlers import views
from handlers.audiences import Audience
from persistence.queries.event_reads import UserView
from protocol import answers, merge_patch
from protocol.errors import ErrorCode, FinalError
from protocol.requests import Subscribe
from server.rooms.registry import MAX_LIGHT_ROOM_RECORDS, RoomRegistry
from server.rooms.resume_path import ResumePath
from server.rooms.room import Room
from server.rooms.subscription import Subscription
from server.transport import deflate
from server.transport.frames import framed

log = logging.getLogger("ayes.rooms")


class CatchUp(NamedTuple):
    """A subscription, and the message that brings its client to the room's position."""

    event: str
    subscription: Subscription
    parts: tuple[bytes, ...]
    """The message in parts; the large one is shared by all clients at that position."""

    @property
    def message(self) -> bytes:
        """The whole message, encoded."""
        return b"".join(self.parts)

    def frame(self) -> tuple[bytes, ...]:
        """Return the message as a frame, in parts; compressed if the socket accepts that."""
        if len(self.parts) == 1 or not self.subscription.outlet.deflates:
            return framed(self.parts)
        head, state, rest = self.parts
        shared = self.subscription.room.segment(self.subscription.audience, state)
        return deflate.deflated(deflate.segment(head), shared, deflate.segment(rest))


async def catch_up(
    rooms: RoomRegistry,
    subscription: Subscription,
    own: UserView,
    request: Subscribe,
    *,
    reason: str = "initial",
    writable: Callable[[], Awaitable[None]] | None = None,
) -> CatchUp:
    """Make ``resumed`` if the client's position allows it, else a snapshot with its reason.

    Sets the subscription's audience and position; it is not live yet. There is no await between
    the last read and the return. Raises ``not_a_member``.
    """
    if writable is not None:
        await writable()
    quotas, user = rooms.quotas, subscription.user
    placed = await quotas.ask(
        user, lambda: _make_message(rooms, subscription, own, request, reason)
    )
    quotas.charge(user, size=sum(map(len, placed.parts)))
    return placed


async def _make_message(
    rooms: RoomRegistry, subscription: Subscription, own: UserView, request: Subscribe, reason: str
) -> CatchUp:
    room = subscription.room
    path, reason = await _prepared(rooms, subscription, own, request, reason)
    while subscription.outdated:
        # After a restore, the user's view and the path that were read may be lost data.
        subscription.outdated = False
        own = await rooms.load_own(room, subscription.user)
        path, reason = await _prepared(rooms, subscription, own, request, reason)
    # The user's membership may have changed in a step after the read.
    changed = subscription.is_membership_changed()
    you, audience = own_view(subscription, own)
    if path is not None and (changed or path.changes_membership(room, subscription.user)):
        path, reason = None, "role"
    subscription.audience = audience
    subscription.seq = room.seq
    counters = rooms.counters
    if path is None:
        counters.snapshots[reason] += 1
        counters.not_resumed += request.seq is not None
        parts: tuple[bytes, ...] = answers.snapshot(
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
        counters.resumed += 1
        resumed = answers.resumed(
            event=room.event_id,
            epoch=room.epoch,
            from_=request.seq,
            seq=room.seq,
            patch=path.patch(room, audience),
            you=answers.encode(you),
            ref=request.ref,
        )
        parts = (resumed,)
    return CatchUp(room.event_id, subscription, parts)


async def _prepared(
    rooms: RoomRegistry, subscription: Subscription, own: UserView, request: Subscribe, reason: str
) -> tuple[ResumePath | None, str]:
    """Return the path from the client's position; or make a snapshot, and return its reason."""
    room = subscription.room
    path, reason = await _resume_path(rooms, subscription, request, reason)
    if path is None:
        assert own.membership is not None
        audience = _audience(own.membership.status, own.membership.role)
        await _render(rooms, room, audience, subscription.user)
    return path, reason


async def _render(rooms: RoomRegistry, room: Room, audience: Audience, user: str) -> None:
    """Make the room's snapshot in slices, one room at a time, if the room is large.

    A small room's snapshot is made at once, when it is sent.
    """
    if not room.has_snapshot(audience) and room.records() > MAX_LIGHT_ROOM_RECORDS:
        charge = partial(rooms.quotas.charge, user)
        await rooms.work_throttle.run(partial(room.render, audience), charge)


async def _resume_path(
    rooms: RoomRegistry, subscription: Subscription, request: Subscribe, reason: str
) -> tuple[ResumePath | None, str]:
    """Return the path from the client's position, or ``None`` and the snapshot's reason."""
    room = subscription.room
    if request.epoch is None or request.seq is None:
        return None, reason
    why = _why_not_resumed(rooms, room, subscription.user, request.epoch, request.seq)
    if why:
        return None, why
    charge = partial(rooms.quotas.charge, subscription.user)
    path = await ResumePath.load(rooms.journal, room, request.seq, charge)
    # Meanwhile the room may show another history, after a restore.
    return path, _why_not_resumed(
        rooms, room, subscription.user, request.epoch, request.seq
    ) or "gap"


def _why_not_resumed(rooms: RoomRegistry, room: Room, user: str, epoch: str, seq: int) -> str:
    if epoch != room.epoch:
        return "epoch"
    if seq > room.seq:
        # Any client can claim this, so the line names its user, and is throttled.
        if rooms.event_log_throttle.should_log(room.event_id, user):
            log.critical(
                "event %s: a client of %r knows step %d, the database only %d: "
                "if that is true, committed data was lost",
                room.event_id,
                user,
                seq,
                room.seq,
                extra={"event": room.event_id, "user": user, "seq": seq},
            )
        return "ahead"
    return "gap" if room.seq - seq > rooms.resume_steps else ""


def own_view(subscription: Subscription, own: UserView) -> tuple[dict[str, Any], Audience]:
    """Return the whole ``you``, with the patches since it was read, and its audience.

    Raises ``not_a_member`` if the user is not a member or applicant any more.
    """
    you: dict[str, Any] = {
        "membership": views.membership_view(own.membership),
        "votes": dict(own.votes),
        "stances": dict(own.stances),
    }
    if own.ballot is not None:
        you["ballot"] = views.ballot_view(own.ballot)
    merge_patch.apply(you, subscription.take_own())
    membership = you["membership"]
    status, role = membership.get("status"), membership.get("role")
    if status not in ("accepted", "pending"):
        raise FinalError(ErrorCode.NOT_A_MEMBER, details={"status": status})
    return you, _audience(status, role)


def _audience(status: str, role: str | None) -> Audience:
    """Return the audience of an accepted or pending membership."""
    if status == "pending":
        return "applicant"
    return "admin" if role in ("admin", "organiser") else "member"
