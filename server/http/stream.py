"""Rooms over HTTP: a single snapshot, or a stream of Server-Sent Events."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response, StreamingResponse

from protocol import answers
from protocol.errors import ErrorCode, FinalError, RetryableError
from protocol.requests import Subscribe
from server.http.answers import slices
from server.identity.auth import Identity
from server.rooms.catch_up import CatchUp, catch_up
from server.rooms.subscription import ENDS, Subscription, end_of
from server.transport.frames import payload_of
from server.transport.large_answers import (
    HTTP_PLACE_TIMEOUT_S,
    MIN_LARGE_BYTES,
    LargeAnswers,
    Place,
)

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from server.node import Node
    from server.rooms.room import Room
    from server.transport.guard_http import GuardedHttp

STREAM_TYPE = "text/event-stream"
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
#: Bytes that may wait for a slow reader. Beyond that its room sends nothing until it reads; the
#: diffs merge meanwhile.
MAX_FEED_BYTES = 65_536


class _Position(msgspec.Struct):
    epoch: str = ""
    seq: int = 0
    type: str = ""


_position = msgspec.json.Decoder(_Position)


class _Feed:
    """The output queue of one stream: a ``Subscription``'s outlet."""

    deflates = False
    """A stream sends messages, not WebSocket frames."""
    expects_answer = False
    """A stream carries no answers."""

    def __init__(
        self, large: LargeAnswers, user: str, connection: GuardedHttp | None = None
    ) -> None:
        self._large = large
        self._user = user
        self._connection = connection
        self.waiting: deque[bytes] = deque()
        self.bytes = 0
        self.ended = False
        self.snapshot_reasons: deque[str] = deque()
        self.place: Place | None = None
        """The reserved place of the large message in flight."""
        self.leaving = False
        """Whether the stream must end, because the node drains."""
        self._something = asyncio.Event()

    def wake(self) -> None:
        """Check whether the stream may continue."""
        self._something.set()

    def leave(self) -> None:
        """End the stream, because the node drains."""
        self.leaving = True
        self.wake()

    def can_send(self) -> bool:
        """Return whether one more message fits."""
        return not self.ended and self.place is None and self.bytes < MAX_FEED_BYTES

    def admits(self, size: int) -> bool:
        """Reserve a place for a message of ``size`` bytes; return ``False`` if there is none."""
        if size < MIN_LARGE_BYTES:
            return True
        self.place = self._large.place_now(self._user)
        return self.place is not None

    def send_room(self, *frames: bytes) -> None:
        """Queue the message in each frame."""
        for data in frames:
            message = payload_of(data)
            self.bytes += len(message)
            self.waiting.append(message)
            if len(message) >= MIN_LARGE_BYTES:
                self.carry((message,))
        self._something.set()

    def need_snapshot(self, subscription: Subscription, reason: str) -> None:
        """Queue a new snapshot or an end, which the stream handles."""
        self.snapshot_reasons.append(reason)
        self._something.set()

    async def something(self, seconds: float) -> None:
        """Wait for a message, a new snapshot or the end, at most ``seconds``."""
        if self.waiting or self.snapshot_reasons or self.leaving:
            return
        self._something.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._something.wait()
        except TimeoutError:
            pass

    async def take_place(self) -> None:
        """Wait for a place for a large message. Raises ``busy``."""
        if self.place is None:
            self.place = await self._large.place(self._user, HTTP_PLACE_TIMEOUT_S)

    def carry(self, parts: tuple[bytes, ...]) -> None:
        """Let ``parts`` hold the place until they are sent; give it back if they are small."""
        if sum(map(len, parts)) < MIN_LARGE_BYTES:
            self.end_place()
        elif self.place is not None and self._connection is not None:
            self.place.carry(parts, self._connection.abort)

    def end_place(self) -> None:
        """Give back the place."""
        place, self.place = self.place, None
        if place is not None:
            place.end()


async def once(node: Node, user: str, event: str) -> tuple[bytes, ...]:
    """Return the snapshot of ``event`` for ``user``: the parts of its JSON, in order.

    Raises ``not_found``, ``not_a_member``, and what ``Quotas.ask`` and ``RoomRegistry.enter`` do.
    """
    feed = _Feed(node.large_answers, user)
    placed = await _enter_room(node, user, event, feed, None, None)
    node.rooms.leave(placed.subscription)
    return placed.parts


async def _enter_room(
    node: Node, user: str, event: str, feed: _Feed, epoch: str | None, seq: int | None
) -> CatchUp:
    def make(room: Room) -> Subscription:
        return Subscription(room, user, feed, feed.need_snapshot)

    subscription, own = await node.quotas.ask(user, lambda: node.rooms.enter(event, user, make))
    try:
        return await catch_up(
            node.rooms, subscription, own, Subscribe(event=event, epoch=epoch, seq=seq)
        )
    except BaseException:
        node.rooms.leave(subscription)
        raise


async def stream(
    node: Node, identity: Identity, event: str, last_id: str, connection: GuardedHttp | None
) -> Response:
    """Stream a room as Server-Sent Events; each has its position as id, ``<epoch>:<seq>``.

    Raises ``busy`` if the user has too many connections.
    """
    user = identity.actor.user
    if not node.connections.begin_stream(user, time.monotonic()):
        raise RetryableError(ErrorCode.BUSY, "too many connections", retry_after_ms=2_000)
    try:
        return await _begun(node, identity, event, last_id, connection)
    except BaseException:
        node.connections.end_stream(user)
        raise


async def _begun(
    node: Node, identity: Identity, event: str, last_id: str, connection: GuardedHttp | None
) -> Response:
    epoch, _, seq = last_id.rpartition(":")
    known = bool(epoch) and seq.isascii() and seq.isdigit() and len(seq) < 17
    user = identity.actor.user
    feed = _Feed(node.large_answers, user, connection)
    await feed.take_place()
    try:
        placed = await _enter_room(
            node, user, event, feed, epoch if known else None, int(seq) if known else None
        )
    except BaseException:
        feed.end_place()
        raise
    # Without an await since the position was taken, so the feed misses no step from here on.
    placed.subscription.live = True
    node.rooms.presence.touch(placed.subscription.room)
    feed.carry(placed.parts)
    body = _events(node, identity, placed, feed)
    node.streams.begin(user, feed)
    node.counters.streams_opened += 1
    if node.draining.has_begun:
        feed.leave()

    def over() -> None:
        node.streams.end(user, feed)
        node.counters.streams_closed += 1
        feed.ended = True
        feed.end_place()
        node.rooms.leave(placed.subscription)
        node.connections.end_stream(user)

    return _Stream(body, over, headers=STREAM_HEADERS)


class _Stream(StreamingResponse):
    """A response that calls ``over`` at its end, even if its body was never started."""

    media_type = STREAM_TYPE

    def __init__(
        self,
        body: AsyncIterator[bytes | memoryview],
        over: Callable[[], None],
        *,
        headers: dict[str, str],
    ) -> None:
        super().__init__(body, headers=headers)
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()


async def _events(
    node: Node, identity: Identity, placed: CatchUp, feed: _Feed
) -> AsyncIterator[bytes | memoryview]:
    subscription = placed.subscription
    beat = node.settings.heartbeat_ms / 1000
    quiet_until = time.monotonic() + beat
    for piece in _event(placed.parts):
        yield piece
    feed.end_place()
    # A revocation and the drain wake the feed; the token's expiry bounds the wait.
    while not feed.leaving and _holds(node, identity):
        ends = (identity.expires - datetime.now(UTC)).total_seconds()
        await feed.something(min(beat, max(ends, 0.0)))
        if feed.waiting or feed.snapshot_reasons:
            quiet_until = time.monotonic() + beat
        elif time.monotonic() >= quiet_until:
            quiet_until = time.monotonic() + beat
            yield b": still here\n\n"
        while feed.waiting:
            message = feed.waiting.popleft()
            for piece in _event((message,)):
                yield piece
            feed.bytes -= len(message)
            if len(message) >= MIN_LARGE_BYTES:
                feed.end_place()
        subscription.pull()
        if feed.snapshot_reasons:
            reason = feed.snapshot_reasons.popleft()
            again = reason if reason in ENDS else await _snapshot(node, subscription, feed, reason)
            if again is None:
                return
            if isinstance(again, str):
                for piece in _event((answers.unsubscribed(event=placed.event, reason=again),)):
                    yield piece
                return
            subscription.live = True
            feed.carry(again.parts)
            for piece in _event(again.parts):
                yield piece
            feed.end_place()
    if feed.leaving:
        # Each reader comes back at a moment of its own.
        yield b"retry: %d\n\n" % node.draining.retry_after_ms()


async def _snapshot(
    node: Node, subscription: Subscription, feed: _Feed, reason: str
) -> CatchUp | str | None:
    """Make a snapshot for ``reason``; return the reason of the end if the user may not enter.

    Return ``None`` if the database is out of reach: the stream ends, and its client reconnects.
    """
    room = subscription.room
    try:
        await feed.take_place()
        own = await node.rooms.load_own(room, subscription.user)
        return await catch_up(
            node.rooms, subscription, own, Subscribe(event=room.event_id), reason=reason
        )
    except FinalError as err:
        return end_of(err)
    except RetryableError:
        return None


def _holds(node: Node, identity: Identity) -> bool:
    """Return whether the stream's token is still valid."""
    revoked = node.identities.is_revoked(identity)
    return identity.expires > datetime.now(UTC) and not revoked


def _event(parts: tuple[bytes, ...]) -> Iterator[bytes | memoryview]:
    """Format a message as an event, in pieces; a large part is not copied."""
    # The part before the state is complete JSON except for its last value.
    message = parts[0] if len(parts) == 1 else parts[0] + b"null}"
    position: Any = _position.decode(message)
    head = b"event: %b\n" % position.type.encode()
    if position.epoch:
        head += b"id: %b:%d\n" % (position.epoch.encode(), position.seq)
    head += b"data: "
    if sum(map(len, parts)) < MIN_LARGE_BYTES:
        yield head + b"".join(parts) + b"\n\n"
        return
    yield head
    yield from slices(parts)
    yield b"\n\n"
