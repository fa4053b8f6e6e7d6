"""Rooms over HTTP: one snapshot, or a stream of Server-Sent Events."""

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
from server.transport.large_answers import HTTP_PLACE_TIMEOUT_S, LARGE_BYTES, LargeAnswers, Place

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from server.node import Node
    from server.rooms.room import Room
    from server.transport.guard_http import GuardedHttp

STREAM_TYPE = "text/event-stream"
STREAM_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
#: Bytes that may wait for a slow reader before its room's diffs merge instead.
MAX_FEED_BYTES = 65_536


class _Position(msgspec.Struct):
    epoch: str = ""
    seq: int = 0
    type: str = ""


_position = msgspec.json.Decoder(_Position)


class _Feed:
    """What waits to be sent to one reader: a ``Subscription``'s outlet."""

    deflates = False
    """Messages, not frames, are what a stream over HTTP sends."""

    def __init__(
        self, large: LargeAnswers, user: str, connection: GuardedHttp | None = None
    ) -> None:
        self._large = large
        self._user = user
        self._connection = connection
        self.waiting: deque[bytes] = deque()
        self.bytes = 0
        self.ended = False
        self.renewals: deque[str] = deque()
        self.place: Place | None = None
        """The place of a large message that is being sent."""
        self.leaving = False
        """Whether the stream is to end: the server goes away."""
        self._something = asyncio.Event()

    def wake(self) -> None:
        """Look whether the stream may go on."""
        self._something.set()

    def leave(self) -> None:
        """End the stream: the server goes away."""
        self.leaving = True
        self.wake()

    def room(self) -> bool:
        """Whether there is room for one more."""
        return not self.ended and self.place is None and self.bytes < MAX_FEED_BYTES

    def admits(self, size: int) -> bool:
        """Whether a message of ``size`` bytes may wait beside what the user waits for elsewhere."""
        if size < LARGE_BYTES:
            return True
        self.place = self._large.place_now(self._user)
        return self.place is not None

    def send_room(self, data: bytes) -> None:
        """Keep a message until it can be sent; it comes as a frame."""
        message = payload_of(data)
        self.bytes += len(message)
        self.waiting.append(message)
        if len(message) >= LARGE_BYTES:
            self.carry((message,))
        self._something.set()

    def renew(self, subscription: Subscription, reason: str) -> None:
        """The subscription needs a snapshot, or has ended: the reader comes back for it."""
        self.renewals.append(reason)
        self._something.set()

    async def something(self, seconds: float) -> None:
        """Wait until there is something, or for so long."""
        if self.waiting or self.renewals or self.leaving:
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
        """``parts`` are about to be sent; if they are small, they need no place."""
        if sum(map(len, parts)) < LARGE_BYTES:
            self.end_place()
        elif self.place is not None and self._connection is not None:
            self.place.carry(parts, self._connection.abort)

    def end_place(self) -> None:
        """No large message is being sent."""
        place, self.place = self.place, None
        if place is not None:
            place.end()


async def once(node: Node, user: str, event: str) -> tuple[bytes, ...]:
    """The snapshot of ``event`` for ``user``, as a message in parts."""
    feed = _Feed(node.large_answers, user)
    placed = await _place(node, user, event, feed, None, None)
    node.rooms.leave(placed.subscription)
    return placed.parts


async def _place(
    node: Node, user: str, event: str, feed: _Feed, epoch: str | None, seq: int | None
) -> CatchUp:
    def make(room: Room) -> Subscription:
        return Subscription(room, user, feed, feed.renew)

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
    """Server-Sent Events of a room; each has the id ``<epoch>:<seq>`` of where it leads."""
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
        placed = await _place(
            node, user, event, feed, epoch if known else None, int(seq) if known else None
        )
    except BaseException:
        feed.end_place()
        raise
    # Nothing waited since the position was taken: what comes from here on is kept in the feed.
    placed.subscription.live = True
    node.rooms.presence.touch(placed.subscription.room)
    feed.carry(placed.parts)
    body = _events(node, identity, placed, feed)
    node.streams.begin(user, feed)
    if node.draining.has_begun:
        feed.leave()

    def over() -> None:
        node.streams.end(user, feed)
        feed.ended = True
        feed.end_place()
        node.rooms.leave(placed.subscription)
        node.connections.end_stream(user)

    return _Stream(body, over, headers=STREAM_HEADERS)


class _Stream(StreamingResponse):
    """A response that says when it is over, even where its body was never begun."""

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
        """Send it."""
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
    # Woken by a revocation and by the drain; the token's end is known beforehand.
    while not feed.leaving and _holds(node, identity):
        ends = (identity.expires - datetime.now(UTC)).total_seconds()
        await feed.something(min(beat, max(ends, 0.0)))
        if feed.waiting or feed.renewals:
            quiet_until = time.monotonic() + beat
        elif time.monotonic() >= quiet_until:
            quiet_until = time.monotonic() + beat
            yield b": still here\n\n"
        while feed.waiting:
            message = feed.waiting.popleft()
            for piece in _event((message,)):
                yield piece
            feed.bytes -= len(message)
            if len(message) >= LARGE_BYTES:
                feed.end_place()
        subscription.pull()
        if feed.renewals:
            reason = feed.renewals.popleft()
            again = reason if reason in ENDS else await _renewed(node, subscription, feed, reason)
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


async def _renewed(
    node: Node, subscription: Subscription, feed: _Feed, reason: str
) -> CatchUp | str | None:
    """A snapshot for ``reason``; the reason of the end for who may not be there any more.

    ``None`` if the database is out of reach: the stream ends, and its reader comes back.
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
    """Whether the token that began a stream is still good."""
    revoked = node.identities.is_revoked(identity)
    return identity.expires > datetime.now(UTC) and not revoked


def _event(parts: tuple[bytes, ...]) -> Iterator[bytes | memoryview]:
    """A message as an event, in pieces; what is large is not copied."""
    # What stands before the state is whole but for its last value.
    message = parts[0] if len(parts) == 1 else parts[0] + b"null}"
    position: Any = _position.decode(message)
    head = b"event: %b\n" % position.type.encode()
    if position.epoch:
        head += b"id: %b:%d\n" % (position.epoch.encode(), position.seq)
    head += b"data: "
    if sum(map(len, parts)) < LARGE_BYTES:
        yield head + b"".join(parts) + b"\n\n"
        return
    yield head
    yield from slices(parts)
    yield b"\n\n"
