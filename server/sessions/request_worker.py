"""A session's requests, answered one after another: subscriptions, queries, new snapshots.

A new snapshot is made for a subscription whose role changed, or whose reader fell too far behind.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, NamedTuple

from handlers.step import Actor
from persistence.queries.event_reads import UserView
from protocol import answers
from protocol.closes import CloseCode
from protocol.errors import ErrorCode, FinalError, ProtocolError, RetryableError
from protocol.requests import Request, ResumePoint, Subscribe, Unsubscribe
from server.rooms.catch_up import CatchUp, catch_up
from server.rooms.room import Room
from server.rooms.subscription import ENDS, Subscription, end_of
from server.sessions.context import SessionContext
from server.sessions.delivery import Delivery
from server.sessions.speaker import Speaker
from server.transport.frames import frame

log = logging.getLogger("ayes.requests")

#: Longest that one request may take; beyond it, the answer is ``timeout``.
REQUEST_TIMEOUT_S: Final = 10.0
#: Bytes of an answer from which on it waits, as a snapshot does, until the socket has room. A page
#: of 200 long texts has up to 3 MiB, more than may lie unread in a socket's buffer.
MIN_LARGE_ANSWER_BYTES: Final = 16_384
#: Seconds until a snapshot that could not be made is tried again. By then the database may be in
#: reach again, or a slow reader's socket may have room.
SNAPSHOT_RETRY_DELAY_S: Final = 1.0


class SnapshotRequest(NamedTuple):
    """A subscription that needs a snapshot, and why."""

    subscription: Subscription
    reason: str


class RequestWorker:
    """The queue of a session's requests, and the task that answers them."""

    def __init__(self, context: SessionContext, session: Speaker, delivery: Delivery) -> None:
        self._context = context
        self._session = session
        self._delivery = delivery
        self._queue: deque[Request | SnapshotRequest] = deque()
        self._task: asyncio.Task[None] | None = None
        self._asking = False
        self._writable = asyncio.Event()

    def take(self, request: Request) -> bool:
        """Queue a request; ``False`` if the queue is full."""
        if len(self._queue) >= self._context.settings.inflight:
            return False
        self._put(request)
        return True

    def resume(self, point: ResumePoint) -> bool:
        """Answer a room of ``hello.resume`` like a ``subscribe``."""
        return self.take(Subscribe(event=point.event, epoch=point.epoch, seq=point.seq))

    def writable(self) -> None:
        """Go on with an answer that waited for the socket to take bytes."""
        self._writable.set()

    def close(self) -> None:
        """Answer nothing more.

        A query in flight is allowed to finish: cancelling it discards the pooled connection, so
        clients that come and go could force a new PostgreSQL backend each time.
        """
        self._queue.clear()
        if self._task is not None and not self._asking:
            self._task.cancel()

    def _put(self, request: Request | SnapshotRequest) -> None:
        self._queue.append(request)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="requests")

    async def _work(self) -> None:
        while self._queue:
            request = self._queue.popleft()
            try:
                async with asyncio.timeout(REQUEST_TIMEOUT_S):
                    await self._answer(request)
            except ProtocolError as err:
                self._fail(request, err)
            except TimeoutError:
                self._fail(request, RetryableError(ErrorCode.TIMEOUT))
            except Exception:
                log.exception("a request failed")
                self._fail(request, RetryableError(ErrorCode.INTERNAL))
            finally:
                self._delivery.release()
        self._task = None

    def _fail(self, request: Request | SnapshotRequest, err: ProtocolError) -> None:
        if isinstance(request, SnapshotRequest):
            self._snapshot_failed(request, err)
            return
        self._session.error(err, ref=request.ref, event=getattr(request, "event", None))

    def _snapshot_failed(self, request: SnapshotRequest, err: ProtocolError) -> None:
        """End the subscription if the user may not be there any more; else try again later."""
        subscription = request.subscription
        if isinstance(err, FinalError):
            if self._forget(subscription):
                self._end(subscription.room.event_id, end_of(err))
        elif err.code == ErrorCode.INTERNAL:
            self._session.close(CloseCode.INTERNAL)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(SNAPSHOT_RETRY_DELAY_S, self._retry_snapshot, request)

    def _retry_snapshot(self, request: SnapshotRequest) -> None:
        if self._is_current(request.subscription):
            self._put(request)

    async def _answer(self, request: Request | SnapshotRequest) -> None:
        if isinstance(request, SnapshotRequest):
            if self._is_current(request.subscription):
                await self._send_snapshot(request.subscription, request.reason)
        elif isinstance(request, Subscribe):
            await self._subscribe(request)
        elif isinstance(request, Unsubscribe):
            self._unsubscribe(request)
        else:
            answer = await self._ask(request)
            if not self._session.is_open:
                return
            if len(answer) <= MIN_LARGE_ANSWER_BYTES:
                self._session.say(answer)
                return
            await self._until_writable()
            self._session.send_room(frame(answer))

    async def _ask(self, request: Request) -> bytes:
        identity = self._session.identity
        assert identity is not None
        return await self._context.quotas.ask(
            identity.actor.user, lambda: self._asked(identity.actor, request)
        )

    async def _asked(self, actor: Actor, request: Request) -> bytes:
        self._asking = True
        try:
            return await self._context.queries.ask(actor, request)
        finally:
            self._asking = False

    # Rooms.

    def _is_current(self, subscription: Subscription) -> bool:
        return self._session.subscriptions.get(subscription.room.event_id) is subscription

    def _forget(self, subscription: Subscription) -> bool:
        """Leave a room; whether ``subscription`` was the socket's current one."""
        self._context.rooms.leave(subscription)
        if not self._is_current(subscription):
            return False
        del self._session.subscriptions[subscription.room.event_id]
        return True

    def _end(self, event_id: str, reason: str, ref: str | int | None = None) -> None:
        message = answers.unsubscribed(event=event_id, reason=reason, ref=ref)
        self._session.send_room(frame(message))

    def _unsubscribe(self, request: Unsubscribe) -> None:
        subscription = self._session.subscriptions.get(request.event)
        if subscription is None:
            raise FinalError(ErrorCode.NOT_FOUND, "not subscribed", details={"path": "event"})
        self._forget(subscription)
        self._end(request.event, "client", request.ref)

    async def _subscribe(self, request: Subscribe) -> None:
        session = self._session
        existing = session.subscriptions.get(request.event)
        if existing is None and len(session.subscriptions) >= self._context.settings.subscriptions:
            self._context.counters.refused["subscriptions"] += 1
            raise RetryableError(
                ErrorCode.LIMIT_REACHED,
                "this socket is in as many rooms as it may be in",
                details={"limit": self._context.settings.subscriptions},
            )
        assert session.identity is not None
        user = session.identity.actor.user

        def place(room: Room) -> Subscription:
            return Subscription(room, user, session, self._need_snapshot)

        subscription, own = await self._context.quotas.ask(
            user, lambda: self._context.rooms.enter(request.event, user, place)
        )
        try:
            placed = await self._catch_up(subscription, own, request)
        except BaseException:
            self._context.rooms.leave(subscription)
            raise
        if existing is not None:
            self._context.rooms.leave(existing)
        self._go_live(placed)

    async def _send_snapshot(self, subscription: Subscription, reason: str) -> None:
        """Send a snapshot to a live subscription: its role or the epoch changed, or it lags."""
        own = await self._context.rooms.load_own(subscription.room, subscription.user)
        request = Subscribe(event=subscription.room.event_id)
        self._go_live(await self._catch_up(subscription, own, request, reason))

    async def _catch_up(
        self, subscription: Subscription, own: UserView, request: Subscribe, reason: str = "initial"
    ) -> CatchUp:
        return await catch_up(
            self._context.rooms,
            subscription,
            own,
            request,
            reason=reason,
            writable=self._until_writable,
        )

    def _need_snapshot(self, subscription: Subscription, reason: str) -> None:
        """Queue a snapshot for a live subscription, or end it; called by the subscription."""
        if not self._is_current(subscription):
            return
        if reason not in ENDS:
            self._put(SnapshotRequest(subscription, reason))
            return
        self._forget(subscription)
        self._end(subscription.room.event_id, reason)

    def _go_live(self, placed: CatchUp) -> None:
        subscription = placed.subscription
        subscription.live = True
        self._session.subscriptions[placed.event] = subscription
        self._context.rooms.presence.touch(subscription.room)
        self._session.send_room(*placed.frame())
        subscription.pull()

    async def _until_writable(self) -> None:
        """Wait until the socket has room for a large frame, and its user a place for it."""
        session = self._session
        assert session.identity is not None
        while True:
            while not session.can_send():
                self._writable.clear()
                await self._writable.wait()
            await self._delivery.reserve(session.identity.actor.user)
            if session.can_send():
                return
