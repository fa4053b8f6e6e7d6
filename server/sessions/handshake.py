"""The opening of a session: ``hello`` within its time, the token checked, ``welcome``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from protocol.closes import CloseCode
from protocol.codec import Invalid, Message
from protocol.errors import ErrorCode, RetryableError
from protocol.requests import Hello
from server.identity.auth import Identity
from server.identity.revocations import Revoked
from server.measures.counters import Hello as Outcome
from server.services.welcome import welcome
from server.sessions.context import SessionContext
from server.sessions.inbound_queue import InboundQueue
from server.sessions.phase import Phase
from server.sessions.request_worker import RequestWorker
from server.sessions.speaker import Speaker
from server.transport.socket_transport import SocketTransport


class Handshake:
    """Takes one session from ``HELLO`` to ``OPEN``, or closes it."""

    def __init__(
        self,
        context: SessionContext,
        session: Speaker,
        transport: SocketTransport,
        *,
        bearer: str | None,
        inbound: InboundQueue,
        requests: RequestWorker,
        assign: Callable[[Identity], bool],
    ) -> None:
        self._context = context
        self._session = session
        self._transport = transport
        self._bearer = bearer
        self._inbound = inbound
        self._requests = requests
        self._assign = assign
        """Counts the socket as its user's; ``False`` if the user has as many as allowed."""
        self.is_unauthenticated = True
        """Whether the client sent no hello, or one with a bad token.

        The address is throttled for many.
        """
        loop = asyncio.get_running_loop()
        hello_timeout = context.settings.hello_seconds
        self._timeout: asyncio.TimerHandle | None = loop.call_later(hello_timeout, self._is_late)

    def end(self) -> None:
        """Cancel the deadline: the session is open, or its socket is gone."""
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None

    def on_message(self, message: Message | Invalid) -> None:
        """Take the first message of the socket, which has to be ``hello``."""
        if isinstance(message, Hello):
            self._session.phase = Phase.GREETING
            self.is_unauthenticated = False
            self._inbound.block_until(self._welcome(message))
            return
        err = RetryableError(ErrorCode.UNAUTHENTICATED, "say hello first")
        if isinstance(message, Invalid) and message.type == "hello":
            if message.error.details.get("path") == "token":
                # A token that is no text is a bad token like any other.
                self._turn_away(RetryableError(ErrorCode.UNAUTHENTICATED), message.ref, False)
                return
            # A malformed hello: the error names the field.
            err = message.error
        self._count("violation", False)
        self._session.refuse(message, err)
        self._session.close_with_violation(CloseCode.PROTOCOL_VIOLATION, "hello comes first")

    def _is_late(self) -> None:
        self._timeout = None
        self._count("late", False)
        self._session.close_with_violation(CloseCode.NO_HELLO)

    async def _welcome(self, hello: Hello) -> None:
        session, resumes = self._session, bool(hello.resume)
        token = self._bearer if hello.token is None else hello.token
        self._bearer = None
        if token is None:
            self._turn_away(RetryableError(ErrorCode.UNAUTHENTICATED), hello.ref, resumes)
            return
        try:
            identity = await self._context.identities.identify_patiently(token)
        except RetryableError as err:
            self._turn_away(err, hello.ref, resumes)
            return
        if self._transport.is_closed:
            return
        if not self._assign(identity) and not await self._found_place(identity):
            self._count("too_many_connections", resumes)
            session.close(CloseCode.TOO_MANY_CONNECTIONS)
            return
        try:
            await self._context.users.know(identity.actor)
        except RetryableError as err:
            self._count("overloaded", resumes)
            session.error(err, ref=hello.ref)
            session.close(CloseCode.INTERNAL, "the database is out of reach")
            return
        if session.phase is not Phase.GREETING:
            return
        self._count("welcomed", resumes)
        session.phase = Phase.OPEN
        self.end()
        context = self._context
        session.say(welcome(context.settings, context.version, identity, session.id, hello.ref))
        for point in hello.resume:
            if not self._requests.resume(point):
                session.refuse_busy(event=point.event)

    async def _found_place(self, identity: Identity) -> bool:
        """Whether a socket too many is none once the other nodes were heard again."""
        user = identity.actor.user
        if self._context.sockets.connections.is_full(user):
            return False
        self.end()
        await self._context.shared_usage.confirmed(user)
        # A socket that is gone takes no place.
        return not self._transport.is_closed and self._assign(identity)

    def _turn_away(self, err: RetryableError, ref: str | int | None, resumes: bool) -> None:
        session = self._session
        session.error(err, ref=ref)
        if isinstance(err, Revoked):
            self._count("revoked", resumes)
            session.close(CloseCode.REVOKED)
        elif err.code == ErrorCode.AUTH_EXPIRED:
            self._count("expired", resumes)
            session.close(CloseCode.TOKEN_EXPIRED)
        elif err.code == ErrorCode.AUTH_EARLY:
            self._count("early", resumes)
            session.close(CloseCode.TOKEN_EARLY)
        elif err.code == ErrorCode.OVERLOADED:
            # The token may be good: the client is to come back.
            self._count("overloaded", resumes)
            session.close(CloseCode.INTERNAL, err.message)
        else:
            self.is_unauthenticated = True
            self._count("bad_token", resumes)
            session.close(CloseCode.BAD_TOKEN)

    def _count(self, outcome: Outcome, resumes: bool) -> None:
        """Count the end of a handshake; ``resumes``: the client has rooms to resume."""
        self._context.counters.hellos[resumes, outcome] += 1
