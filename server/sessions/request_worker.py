"""A session's desk: everything that is no command, one request after another.

Subscriptions, questions, and the snapshots that a changed role or a lag calls for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from persistence.queries.reading import Own
from protocol import answers
from protocol.closes import CloseCode
from protocol.errors import ErrorCode, ProtocolError, Refusal, Rejection
from protocol.requests import Request, ResumePoint, Subscribe, Unsubscribe
from server.rooms.catch_up import Placed, bring_up
from server.rooms.room import Room
from server.rooms.subscription import ENDS, Subscription, end_of
from server.services import questions
from server.transport.frames import frame

if TYPE_CHECKING:
    from server.sessions.session import Session

log = logging.getLogger("ayes.desk")

#: Longest that one request may take; then it is answered with ``timeout``.
REQUEST_SECONDS = 10.0
#: Bytes of an answer that waits, as a snapshot does, until the socket has room. A page of 200 long
#: texts has up to 3 MiB, more than may lie unread, which no slow reader could ever have had.
LARGE_ANSWER = 16_384
#: Until a snapshot that could not be made is tried again: the database may be back then, or a slow
#: reader's socket have room.
RENEW_AGAIN_SECONDS = 1.0


class _Renewal(NamedTuple):
    """A subscription that needs a snapshot, and why."""

    subscription: Subscription
    reason: str


class Desk:
    """The queue of a session's requests and the task that works on it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queue: deque[Request | _Renewal] = deque()
        self._task: asyncio.Task[None] | None = None
        self._asking = False
        self._writable = asyncio.Event()

    def take(self, request: Request) -> bool:
        """Put a request in the queue; ``False`` where it is full."""
        if len(self._queue) >= self._session.node.settings.inflight:
            return False
        self._put(request)
        return True

    def resume(self, point: ResumePoint) -> bool:
        """A room that ``hello`` names is answered like a ``subscribe``."""
        return self.take(Subscribe(event=point.event, epoch=point.epoch, seq=point.seq))

    def writable(self) -> None:
        """The socket takes bytes again."""
        self._writable.set()

    def close(self) -> None:
        """Nothing more is answered.

        A question that is being asked is asked to its end all the same: cut in the middle it would
        cost the connection to the database, and whoever comes and goes a process of PostgreSQL's
        each time.
        """
        self._queue.clear()
        if self._task is not None and not self._asking:
            self._task.cancel()

    def _put(self, request: Request | _Renewal) -> None:
        self._queue.append(request)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="desk")

    async def _work(self) -> None:
        while self._queue:
            request = self._queue.popleft()
            try:
                async with asyncio.timeout(REQUEST_SECONDS):
                    await self._answer(request)
            except ProtocolError as err:
                self._fail(request, err)
            except TimeoutError:
                self._fail(request, Rejection(ErrorCode.TIMEOUT))
            except Exception:
                log.exception("a request failed")
                self._fail(request, Rejection(ErrorCode.INTERNAL))
            finally:
                self._session.delivery.release()
        self._task = None

    def _fail(self, request: Request | _Renewal, err: ProtocolError) -> None:
        if isinstance(request, _Renewal):
            self._not_renewed(request, err)
            return
        self._session.error(err, ref=request.ref, event=getattr(request, "event", None))

    def _not_renewed(self, renewal: _Renewal, err: ProtocolError) -> None:
        """Only who may not be there any more is told so; the others' room goes on, later."""
        subscription = renewal.subscription
        if isinstance(err, Refusal):
            if self._forget(subscription):
                self._end(subscription.room.event_id, end_of(err))
        elif err.code == ErrorCode.INTERNAL:
            self._session.close(CloseCode.INTERNAL)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(RENEW_AGAIN_SECONDS, self._renew_again, renewal)

    def _renew_again(self, renewal: _Renewal) -> None:
        if self._is_current(renewal.subscription):
            self._put(renewal)

    async def _answer(self, request: Request | _Renewal) -> None:
        if isinstance(request, _Renewal):
            if self._is_current(request.subscription):
                await self._renew(request.subscription, request.reason)
        elif isinstance(request, Subscribe):
            await self._subscribe(request)
        elif isinstance(request, Unsubscribe):
            self._unsubscribe(request)
        else:
            answer = await self._ask(request)
            if not self._session.is_open:
                return
            if len(answer) <= LARGE_ANSWER:
                self._session.say(answer)
                return
            await self._until_writable()
            self._session.send_room(frame(answer))

    async def _ask(self, request: Request) -> bytes:
        session = self._session
        assert session.identity is not None
        return await session.node.quotas.ask(
            session.identity.actor.user, lambda: self._asked(request)
        )

    async def _asked(self, request: Request) -> bytes:
        self._asking = True
        try:
            return await questions.answer(self._session, request)
        finally:
            self._asking = False

    # Rooms.

    def _is_current(self, subscription: Subscription) -> bool:
        return self._session.subscriptions.get(subscription.room.event_id) is subscription

    def _forget(self, subscription: Subscription) -> bool:
        """Leave a room; whether this socket was in it by this subscription."""
        self._session.node.rooms.leave(subscription)
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
            raise Refusal(ErrorCode.NOT_FOUND, "not subscribed", details={"path": "event"})
        self._forget(subscription)
        self._end(request.event, "client", request.ref)

    async def _subscribe(self, request: Subscribe) -> None:
        session = self._session
        held = session.subscriptions.get(request.event)
        if held is None and len(session.subscriptions) >= session.node.settings.subscriptions:
            raise Rejection(
                ErrorCode.LIMIT_REACHED,
                "this socket is in as many rooms as it may be in",
                details={"limit": session.node.settings.subscriptions},
            )
        assert session.identity is not None
        user = session.identity.actor.user

        def place(room: Room) -> Subscription:
            return Subscription(room, user, session, self._renewal)

        subscription, own = await session.node.quotas.ask(
            user, lambda: session.node.rooms.enter(request.event, user, place)
        )
        try:
            placed = await self._bring_up(subscription, own, request)
        except BaseException:
            session.node.rooms.leave(subscription)
            raise
        if held is not None:
            session.node.rooms.leave(held)
        self._go_live(placed)

    async def _renew(self, subscription: Subscription, reason: str) -> None:
        """A snapshot for a subscription that was live: its role, its lag, or a new epoch."""
        own = await self._session.node.rooms.standing(subscription.room, subscription.user)
        request = Subscribe(event=subscription.room.event_id)
        self._go_live(await self._bring_up(subscription, own, request, reason))

    async def _bring_up(
        self, subscription: Subscription, own: Own, request: Subscribe, reason: str = "initial"
    ) -> Placed:
        return await bring_up(
            self._session.node.rooms,
            subscription,
            own,
            request,
            reason=reason,
            writable=self._until_writable,
        )

    def _renewal(self, subscription: Subscription, reason: str) -> None:
        """A live subscription asks for a snapshot, or has ended."""
        if not self._is_current(subscription):
            return
        if reason not in ENDS:
            self._put(_Renewal(subscription, reason))
            return
        self._forget(subscription)
        self._end(subscription.room.event_id, reason)

    def _go_live(self, placed: Placed) -> None:
        subscription = placed.subscription
        subscription.live = True
        self._session.subscriptions[placed.event] = subscription
        self._session.node.rooms.presence.touch(subscription.room)
        self._session.send_room(*placed.frame())
        subscription.pull()

    async def _until_writable(self) -> None:
        """Wait until the socket has room for what is large, and its user a place for it."""
        session = self._session
        assert session.identity is not None
        while True:
            while not session.room():
                self._writable.clear()
                await self._writable.wait()
            await session.delivery.reserve(session.identity.actor.user)
            if session.room():
                return
