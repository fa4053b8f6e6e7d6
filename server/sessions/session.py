"""One WebSocket: its phases, what comes in, what goes out.

    hello ──hello──▶ greeting ──welcome──▶ open ──▶ closed
      └──────────────┴── anything wrong ────────────▶

The reader never waits: a command goes to its event's lane and is answered from there, everything
else to this session's own desk, which works on one request at a time. Both are bounded by
``inflight``.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from handlers.lanes.decide import Answer, Submission
from protocol import answers
from protocol.closes import CloseCode
from protocol.codec import Invalid, Message, decode_frame
from protocol.commands import COMMANDS, Command
from protocol.errors import ErrorCode, ProtocolError, Rejection, bad_request
from protocol.requests import Auth, Hello, Ping, Request
from server.identity.auth import Identity
from server.identity.revocations import Revoked
from server.rooms.subscription import Subscription
from server.services.entropy import entropy
from server.sessions.arrays import batched
from server.sessions.delivery import Delivery, in_writes
from server.sessions.flood import FloodControl
from server.sessions.inbound_queue import Held
from server.sessions.phase import Phase
from server.sessions.request_worker import Desk
from server.transport.frames import frame
from server.transport.socket_transport import Wire

if TYPE_CHECKING:
    from server.node import Node

log = logging.getLogger("ayes.session")

#: Asked of a client that has too much in flight.
BUSY_RETRY_MS = 100


class Session:
    """What the server knows of one socket; the ``Receiver`` of its wire."""

    def __init__(self, node: Node, wire: Wire, *, bearer: str | None, address: str) -> None:
        self.node = node
        self.wire = wire
        self.address = address
        self.phase = Phase.HELLO
        self.identity: Identity | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.is_nameless = True
        """Whether no hello came, or one with a bad token: an offence of those who do it often."""
        self.inflight = 0
        """Commands whose answer is not known yet."""
        loop = asyncio.get_running_loop()
        self.heard_at = now = loop.time()
        self.beat_at = now + node.settings.heartbeat_ms / 1000
        self.id = os.urandom(8).hex()
        self._loop = loop
        self._bearer = bearer
        settings = node.settings
        late = loop.call_later(settings.hello_seconds, self._is_late)
        self._late: asyncio.TimerHandle | None = late
        self._flood = FloodControl(settings, now)
        self._speaks_batches = False
        self._out: list[bytes] = []
        self._flushing: asyncio.Handle | None = None
        self._held = Held(self)
        self.delivery = Delivery(node.large_answers, wire)
        self._desk = Desk(self)

    # The wire's side.

    def text(self, payload: bytes) -> None:
        """One text message."""
        settings = self.node.settings
        got = decode_frame(
            payload,
            limits=self.node.texts,
            message_bytes=settings.message_bytes,
            longest_batch=settings.batch,
        )
        self._speaks_batches |= got.is_batch
        if got.bad:
            self._bad_frame(got.messages[0])
            return
        if (beside := len(got.messages) - 1) > 0:
            self.wire.weigh(beside)
        for message in got.messages:
            self._take(message)

    def binary(self) -> None:
        """A binary message: there are none in this protocol."""
        self._bad_frame(Invalid(Rejection(ErrorCode.BAD_FRAME, "binary frames carry nothing")))

    def alive(self) -> None:
        """Anything came."""
        self.heard_at = self._loop.time()

    def writable(self) -> None:
        """The socket takes bytes again."""
        self.delivery.writable()
        self._desk.writable()
        for subscription in tuple(self.subscriptions.values()):
            subscription.pull()

    def closed(self, code: int) -> None:
        """The socket is gone. What it asked for and was accepted runs to its end."""
        self.phase = Phase.CLOSED
        self._in_time()
        self._out.clear()
        self._held.clear()
        for subscription in self.subscriptions.values():
            self.node.rooms.leave(subscription)
        self.subscriptions.clear()
        self._desk.close()
        self.delivery.close()
        self.node.forget(self)

    # What comes in.

    def _bad_frame(self, message: Message | Invalid) -> None:
        assert isinstance(message, Invalid)
        if self.phase is Phase.HELLO:
            return self._greet(message)
        self.error(message.error)
        if not self._flood.may_be_bad(self._loop.time()):
            self.cut(CloseCode.PROTOCOL_VIOLATION, "too many frames that are no messages")

    def _take(self, message: Message | Invalid) -> None:
        if self.phase is Phase.CLOSED:
            return
        if not self._flood.take(self._loop.time()):
            self._too_fast(message)
            return
        if self.phase is Phase.HELLO:
            self._greet(message)
        elif not self._held.holding:
            self.dispatch(message)
        elif not self._held.keep(message):
            self._refuse(message, Rejection(ErrorCode.BUSY, retry_after_ms=BUSY_RETRY_MS))

    def _too_fast(self, message: Message | Invalid) -> None:
        wait = self._flood.wait_ms()
        if self._flood.is_flood:
            self.say(answers.bye(CloseCode.FLOOD, retry_after_ms=wait, message="too many messages"))
            self.cut(CloseCode.FLOOD, "too many messages")
            return
        self._refuse(message, Rejection(ErrorCode.RATE_LIMITED, retry_after_ms=wait))

    def _refuse(self, message: Message | Invalid, err: Rejection) -> None:
        """An error about a message that is not looked at further."""
        self.error(
            err,
            id=getattr(message, "id", None),
            ref=getattr(message, "ref", None),
            event=getattr(message, "event", None),
        )

    def dispatch(self, message: Message | Invalid) -> None:
        """Do what a message asks for, or see to it that it is done."""
        _ROUTES.get(type(message), Session._ask)(self, message)

    def _wrong(self, message: Invalid) -> None:
        self.error(message.error, id=message.id, ref=message.ref)

    def _ping(self, message: Ping) -> None:
        self.say(answers.reply("pong", message.ref, time=answers.timestamp(datetime.now(UTC))))

    def _greeted(self, message: Hello) -> None:
        self.error(bad_request("type", "hello comes once, and first"), ref=message.ref)

    def _ask(self, message: Request) -> None:
        if not self._desk.take(message):
            self._refuse(message, Rejection(ErrorCode.BUSY, retry_after_ms=BUSY_RETRY_MS))

    def _command(self, command: Command) -> None:
        identity = self.identity
        assert identity is not None
        err = None
        if identity.expires <= datetime.now(UTC):
            err = Rejection(ErrorCode.AUTH_EXPIRED)
        elif self.node.draining:
            err = Rejection(ErrorCode.DRAINING, retry_after_ms=self.node.retry_after_ms())
        elif self.inflight >= self.node.settings.inflight:
            err = Rejection(ErrorCode.BUSY, retry_after_ms=BUSY_RETRY_MS)
        if err is not None:
            self._refuse(command, err)
            return
        submission = Submission(
            command,
            identity.actor,
            entropy=entropy(),
            reply=self._answered,
            expires=identity.expires,
            issued=identity.issued,
        )
        self.inflight += 1
        if (first := self.node.gate.submit(submission)) is not None:
            # What comes behind it stays behind it.
            self._held.until(first)

    def _answered(self, submission: Submission, answer: Answer) -> None:
        self.inflight -= 1
        if answer.error is not None:
            self.node.gate.refused(submission, answer.error)
        self.say(answer.message)

    # Opening, and renewing the token.

    def _is_late(self) -> None:
        self._late = None
        self.cut(CloseCode.NO_HELLO)

    def _in_time(self) -> None:
        """There is no deadline for the hello any more."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _greet(self, message: Message | Invalid) -> None:
        if not isinstance(message, Hello):
            err = Rejection(ErrorCode.UNAUTHENTICATED, "say hello first")
            if isinstance(message, Invalid) and message.type == "hello":
                if message.error.details.get("path") == "token":
                    # No text is a bad token like any other.
                    self._turn_away(Rejection(ErrorCode.UNAUTHENTICATED), message.ref)
                    return
                # It is one, but not well formed: tell which field is wrong.
                err = message.error
            self._refuse(message, err)
            self.cut(CloseCode.PROTOCOL_VIOLATION, "hello comes first")
            return
        self.phase = Phase.GREETING
        self.is_nameless = False
        self._held.until(self._welcome(message))

    async def _welcome(self, hello: Hello) -> None:
        token = self._bearer if hello.token is None else hello.token
        self._bearer = None
        if token is None:
            self._turn_away(Rejection(ErrorCode.UNAUTHENTICATED), hello.ref)
            return
        try:
            identity = await self.node.identify_patiently(token)
        except Rejection as err:
            self._turn_away(err, hello.ref)
            return
        if self.wire.shut:
            return
        if not self.node.admit(self, identity):
            self.close(CloseCode.TOO_MANY_CONNECTIONS)
            return
        try:
            await self.node.know_user(identity.actor)
        except Rejection as err:
            self.error(err, ref=hello.ref)
            self.close(CloseCode.INTERNAL, "the database is out of reach")
            return
        if self.phase is not Phase.GREETING:
            return
        self.phase = Phase.OPEN
        self._in_time()
        self.say(self.node.welcome(self, identity, hello.ref))
        for point in hello.resume:
            if not self._desk.resume(point):
                busy = Rejection(ErrorCode.BUSY, retry_after_ms=BUSY_RETRY_MS)
                self.error(busy, event=point.event)

    def _turn_away(self, err: Rejection, ref: str | int | None) -> None:
        self.error(err, ref=ref)
        if isinstance(err, Revoked):
            self.close(CloseCode.REVOKED)
        elif err.code == ErrorCode.AUTH_EXPIRED:
            self.close(CloseCode.TOKEN_EXPIRED)
        elif err.code == ErrorCode.OVERLOADED:
            # Not the token's fault: the client is to come back.
            self.close(CloseCode.INTERNAL, err.message)
        else:
            self.is_nameless = True
            self.close(CloseCode.BAD_TOKEN)

    def _renew(self, message: Auth) -> None:
        assert self.identity is not None
        try:
            identity = self.node.identify(message.token)
        except Rejection as err:
            self.error(err, ref=message.ref)
            return
        if identity.actor.user != self.identity.actor.user:
            other = Rejection(ErrorCode.UNAUTHENTICATED, "this token is another user's")
            self.error(other, ref=message.ref)
            return
        self.identity = identity
        expires = answers.timestamp(identity.expires)
        self.say(answers.reply("authenticated", message.ref, expires=expires))

    def is_revoked(self) -> bool:
        """Whether the token was revoked that this socket goes by."""
        identity = self.identity
        return identity is not None and self.node.revocations.is_revoked(
            identity.actor.user, identity.issued
        )

    def expired_for(self, now: datetime) -> float:
        """Seconds since the token expired; negative while it is good."""
        if self.identity is None:
            return float("-inf")
        return (now - self.identity.expires).total_seconds()

    @property
    def is_open(self) -> bool:
        """Whether it has been welcomed, and is not over."""
        return self.phase is Phase.OPEN

    def defect(self) -> None:
        """Log a defect with its traceback, and give this socket up."""
        log.exception("session %s failed", self.id)
        self.close(CloseCode.INTERNAL)

    # What goes out.

    def say(self, message: bytes) -> None:
        """Send an answer; those of one turn of the loop go out in one write."""
        if self.phase is Phase.CLOSED:
            return
        self._out.append(message)
        if self._flushing is None:
            self._flushing = self._loop.call_soon(self._flush)

    def error(
        self,
        err: ProtocolError,
        *,
        id: str | None = None,
        ref: str | int | None = None,
        event: str | None = None,
    ) -> None:
        """Send an error."""
        self.say(answers.error(err, id=id, ref=ref, event=event))

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        out, self._out = self._out, []
        if not out:
            return
        if self._speaks_batches and len(out) > 1:
            out = batched(out, self.node.settings.batch)
        for data in in_writes([frame(message) for message in out]):
            self.wire.send(data)

    @property
    def deflates(self) -> bool:
        """Whether a frame of a room may be compressed."""
        return self.wire.deflates

    def room(self) -> bool:
        """Whether a frame of a room may be written now."""
        return self.phase is Phase.OPEN and self.wire.room()

    def admits(self, size: int) -> bool:
        """Whether a room's frame of ``size`` bytes may wait beside what the user waits for."""
        return self.identity is not None and self.delivery.admits(self.identity.actor.user, size)

    def send_room(self, *parts: bytes) -> None:
        """Write a room's frame; answers that wait go before it."""
        if self.phase is Phase.CLOSED:
            return
        self._flush()
        self.wire.send_room(*parts)
        self.delivery.written(parts)

    def bye(self, code: CloseCode, *, retry_after_ms: int, message: str) -> None:
        """Tell the client when to come back, then close."""
        self.say(answers.bye(code, retry_after_ms=retry_after_ms, message=message))
        self.close(code, message)

    def cut(self, code: CloseCode, reason: str = "") -> None:
        """Close one who breaks the rules, or never says who they are: nothing more is heard."""
        self._end(self.wire.fail, code, reason)

    def give_way(self) -> None:
        """Close a socket whose place another one needs, before it has said who it is."""
        self.is_nameless = False  # it is not the client that went
        wait, message = self.node.retry_after_ms(), "too many connections"
        self.say(answers.bye(CloseCode.FLOOD, retry_after_ms=wait, message=message))
        self._end(partial(self.wire.fail, offends=False), CloseCode.FLOOD, message)

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with ``code``; what was said before still goes out."""
        self._end(self.wire.close, code, reason)

    def _end(self, end: Callable[[int, str], None], code: CloseCode, reason: str) -> None:
        if self.phase is not Phase.CLOSED:
            self._flush()
            self.phase = Phase.CLOSED
            end(code, reason or code.name.lower())


#: What is done with a message, by its type; all others are questions. ``isinstance`` would be a
#: fifth of what a ping costs: msgspec's classes are abstract ones.
_ROUTES: dict[type, Callable[[Session, Any], None]] = {
    **dict.fromkeys(COMMANDS, Session._command),
    Invalid: Session._wrong,
    Ping: Session._ping,
    Auth: Session._renew,
    Hello: Session._greeted,
}
