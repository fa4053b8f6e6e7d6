"""One WebSocket: its phases, the messages that come in, the answers that go out.

    hello ──hello──▶ greeting ──welcome──▶ open ──▶ closed
      └──────────────┴── anything wrong ────────────▶

The reader never waits. A command goes to its event's lane and is answered from there; every other
message goes to the session's request worker, which answers one at a time. Both queues are bounded
by ``inflight``.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from handlers.lanes.decide import Answer, Submission
from protocol import answers
from protocol.closes import CloseCode
from protocol.codec import Invalid, Message, decode_frame
from protocol.commands import COMMANDS, Command
from protocol.errors import ErrorCode, ProtocolError, RetryableError, bad_request
from protocol.requests import Auth, Hello, Ping, Request
from server.identity.auth import Identity
from server.rooms.subscription import Subscription
from server.sessions.context import SessionContext
from server.sessions.flood import FloodControl
from server.sessions.handshake import Handshake
from server.sessions.inbound_queue import InboundQueue
from server.sessions.outbound import Outbound
from server.sessions.phase import Phase
from server.sessions.request_worker import RequestWorker
from server.transport.socket_transport import SocketTransport

log = logging.getLogger("ayes.session")

#: Milliseconds after which a client that has too much in flight is to try again: by then many of
#: its commands have been answered.
BUSY_RETRY_DELAY_MS: Final = 100


class Session:
    """One WebSocket's session; the ``Receiver`` of its transport."""

    def __init__(
        self,
        context: SessionContext,
        transport: SocketTransport,
        *,
        bearer: str | None,
        address: str,
    ) -> None:
        self.context = context
        self.transport = transport
        self.address = address
        self.phase = Phase.HELLO
        self.identity: Identity | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.inflight = 0
        """Commands that are not answered yet."""
        settings = context.settings
        loop = asyncio.get_running_loop()
        self.heard_at = now = loop.time()
        self.beat_at = now + settings.heartbeat_ms / 1000
        self.id = os.urandom(8).hex()
        self._loop = loop
        self._flood = FloodControl(settings, now)
        self._outbound = Outbound(
            transport, context.large_answers, settings.batch, self.subscriptions
        )
        self.send_room = self._outbound.send_room
        self.deflates = transport.deflates
        """Whether a frame of a room may be compressed."""
        self._inbound = InboundQueue(self, transport, context.running, settings.inflight)
        self._requests = RequestWorker(context, self, self._outbound.delivery)
        self._handshake = Handshake(
            context,
            self,
            transport,
            bearer=bearer,
            inbound=self._inbound,
            requests=self._requests,
            assign=partial(context.sockets.assign, self),
        )

    # Called by the transport.

    def text(self, payload: bytes) -> None:
        """Take one text message."""
        settings = self.context.settings
        got = decode_frame(
            payload,
            limits=self.context.texts,
            message_bytes=settings.message_bytes,
            longest_batch=settings.batch,
        )
        self._outbound.in_batches |= got.is_batch
        if got.bad:
            self._on_bad_frame(got.messages[0])
            return
        if (others := len(got.messages) - 1) > 0:
            self.transport.charge(others)
        for message in got.messages:
            self._on_message(message)

    def binary(self) -> None:
        """Refuse a binary message: the protocol has none."""
        self._on_bad_frame(
            Invalid(RetryableError(ErrorCode.BAD_FRAME, "binary frames carry nothing"))
        )

    def alive(self) -> None:
        """Note that a frame of any kind came."""
        self.heard_at = self._loop.time()

    def writable(self) -> None:
        """Go on with what waited for the socket to take bytes."""
        self._outbound.delivery.writable()
        self._requests.writable()
        for subscription in tuple(self.subscriptions.values()):
            subscription.pull()

    def closed(self, code: int) -> None:
        """End the session: the connection is gone. Accepted commands run to their end."""
        self.phase = Phase.CLOSED
        self._handshake.end()
        self._inbound.clear()
        for subscription in self.subscriptions.values():
            self.context.rooms.leave(subscription)
        self.subscriptions.clear()
        self._requests.close()
        self._outbound.drop()
        self.context.sockets.remove(self)

    # Messages that come in.

    def _on_bad_frame(self, message: Message | Invalid) -> None:
        assert isinstance(message, Invalid)
        if self.phase is Phase.HELLO:
            return self._handshake.on_message(message)
        self.error(message.error)
        if not self._flood.may_be_bad(self._loop.time()):
            reason = "too many frames that are no messages"
            self.close_with_violation(CloseCode.PROTOCOL_VIOLATION, reason)

    def _on_message(self, message: Message | Invalid) -> None:
        if self.phase is Phase.CLOSED:
            return
        if not self._flood.take(self._loop.time()):
            self._on_too_fast(message)
            return
        if self.phase is Phase.HELLO:
            self._handshake.on_message(message)
        elif not self._inbound.is_blocked:
            _ROUTES.get(type(message), Session._on_request)(self, message)
        elif type(message) is Ping and self.is_open:
            # Not queued: the client asks whether the connection works, and would replace it while
            # an earlier command waits for a slow database.
            self._on_ping(message)
        elif not self._inbound.push(message):
            self.context.counters.refused["socket_inflight"] += 1
            self.refuse(message, _busy())

    def _on_too_fast(self, message: Message | Invalid) -> None:
        self.context.counters.refused["socket_messages"] += 1
        wait = self._flood.wait_ms()
        if self._flood.is_flood:
            self.say(answers.bye(CloseCode.FLOOD, retry_after_ms=wait, message="too many messages"))
            self.close_with_violation(CloseCode.FLOOD, "too many messages")
            return
        self.refuse(message, RetryableError(ErrorCode.RATE_LIMITED, retry_after_ms=wait))

    def dispatch(self, message: Message | Invalid) -> None:
        """Act on a message, or queue it for its lane or for the request worker."""
        _ROUTES.get(type(message), Session._on_request)(self, message)

    def _on_invalid(self, message: Invalid) -> None:
        self.error(message.error, id=message.id, ref=message.ref)

    def _on_ping(self, message: Ping) -> None:
        self.say(answers.reply("pong", message.ref, time=answers.timestamp(datetime.now(UTC))))

    def _on_second_hello(self, message: Hello) -> None:
        self.error(bad_request("type", "hello comes once, and first"), ref=message.ref)

    def _on_request(self, message: Request) -> None:
        if not self._requests.take(message):
            self.context.counters.refused["socket_requests"] += 1
            self.refuse(message, _busy())

    def _on_command(self, command: Command) -> None:
        identity = self.identity
        assert identity is not None
        err = None
        if identity.expires <= datetime.now(UTC):
            err = RetryableError(ErrorCode.AUTH_EXPIRED)
        elif self.context.draining.has_begun:
            wait = self.context.draining.retry_after_ms()
            err = RetryableError(ErrorCode.DRAINING, retry_after_ms=wait)
        elif self.inflight >= self.context.settings.inflight:
            self.context.counters.refused["socket_inflight"] += 1
            err = _busy()
        if err is not None:
            self.refuse(command, err)
            return
        self.inflight += 1
        first = self.context.commands.submit(command, identity, self._on_answer, connection=self.id)
        if first is not None:
            # Later messages stay behind the command.
            self._inbound.block_until(first)

    def _on_answer(self, submission: Submission, answer: Answer) -> None:
        self.inflight -= 1
        if answer.error is not None:
            self.context.counters.errors[answer.error] += 1
        if self.phase is not Phase.CLOSED:
            self._outbound.say(answer.message)

    def _on_auth(self, message: Auth) -> None:
        assert self.identity is not None
        try:
            identity = self.context.identities.identify(message.token)
        except RetryableError as err:
            self.error(err, ref=message.ref)
            return
        if identity.actor.user != self.identity.actor.user:
            other = RetryableError(ErrorCode.UNAUTHENTICATED, "this token is another user's")
            self.error(other, ref=message.ref)
            return
        self.identity = identity
        expires = answers.timestamp(identity.expires)
        self.say(answers.reply("authenticated", message.ref, expires=expires))

    # The token.

    @property
    def is_unauthenticated(self) -> bool:
        """Whether the client sent no hello, or one with a bad token."""
        return self._handshake.is_unauthenticated

    def is_revoked(self) -> bool:
        """Whether the token of this socket was revoked."""
        return self.identity is not None and self.context.identities.is_revoked(self.identity)

    def expired_for(self, now: datetime) -> float:
        """Seconds since the token expired; negative while it is good."""
        if self.identity is None:
            return float("-inf")
        return (now - self.identity.expires).total_seconds()

    @property
    def is_open(self) -> bool:
        """Whether the client was welcomed and the socket is not closed."""
        return self.phase is Phase.OPEN

    # Answers and frames that go out.

    def say(self, message: bytes) -> None:
        """Send an answer; those of one turn of the loop go out in one write."""
        if self.phase is not Phase.CLOSED:
            self._outbound.say(message)

    def error(
        self,
        err: ProtocolError,
        *,
        id: str | None = None,
        ref: str | int | None = None,
        event: str | None = None,
    ) -> None:
        """Send an error."""
        self.context.counters.errors[err.code] += 1
        self.say(answers.error(err, id=id, ref=ref, event=event))

    def refuse(self, message: Message | Invalid, err: ProtocolError) -> None:
        """Answer a message with an error, without looking at it further."""
        self.error(
            err,
            id=getattr(message, "id", None),
            ref=getattr(message, "ref", None),
            event=getattr(message, "event", None),
        )

    def refuse_busy(self, *, event: str) -> None:
        """Answer a room of ``hello.resume`` with ``busy``."""
        self.error(_busy(), event=event)

    @property
    def expects_answer(self) -> bool:
        """Whether a command is under way; its answer takes the frames of the rooms along."""
        return self.inflight > 0

    def can_send(self) -> bool:
        """Whether a frame of a room may be written now."""
        transport = self.transport
        # ``can_send_room_frame``, without a call for each frame.
        return self.phase is Phase.OPEN and not (transport.is_paused or transport.is_closed)

    def admits(self, size: int) -> bool:
        """Whether a room's frame of ``size`` bytes may wait in addition to the user's others."""
        identity = self.identity
        return identity is not None and self._outbound.delivery.admits(identity.actor.user, size)

    # The end.

    def bye(self, code: CloseCode, *, retry_after_ms: int, message: str) -> None:
        """Send ``bye`` with the delay for the client's reconnect, then close."""
        self.say(answers.bye(code, retry_after_ms=retry_after_ms, message=message))
        self.close(code, message)

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with ``code``; answers that were sent before still go out."""
        self._end(self.transport.close, code, reason)

    def close_with_violation(self, code: CloseCode, reason: str = "") -> None:
        """Close a socket that broke the rules; nothing more is read from it."""
        self._end(self.transport.fail, code, reason)

    def give_way(self) -> None:
        """Close a socket whose place another one needs, before its client said hello."""
        self._handshake.is_unauthenticated = False  # the server ends it, not the client
        wait, message = self.context.draining.retry_after_ms(), "too many connections"
        self.say(answers.bye(CloseCode.FLOOD, retry_after_ms=wait, message=message))
        self._end(partial(self.transport.fail, offends=False), CloseCode.FLOOD, message)

    def fail_internal(self) -> None:
        """Log the exception that is being handled as a defect, and close the socket."""
        log.exception("session %s failed", self.id, extra={"connection": self.id})
        self.close(CloseCode.INTERNAL)

    def _end(self, end: Callable[[int, str], None], code: CloseCode, reason: str) -> None:
        if self.phase is not Phase.CLOSED:
            self._outbound.flush()
            self.phase = Phase.CLOSED
            end(code, reason or code.name.lower())


def _busy() -> RetryableError:
    return RetryableError(ErrorCode.BUSY, retry_after_ms=BUSY_RETRY_DELAY_MS)


#: The action for each type of message; every other type is a request. A lookup by type, since
#: ``isinstance`` on msgspec's classes (abstract base classes) is a fifth of the cost of a ping.
_ROUTES: dict[type, Callable[[Session, Any], None]] = {
    **dict.fromkeys(COMMANDS, Session._on_command),
    Invalid: Session._on_invalid,
    Ping: Session._on_ping,
    Auth: Session._on_auth,
    Hello: Session._on_second_hello,
}
