"""Connects again and again, until the client stops or the server refuses it for good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from ayes_client._connection.context import ClientContext
from ayes_client._connection.ended import SessionEnd
from ayes_client._connection.http_session import HttpSession
from ayes_client._connection.probing import until_socket_gets_through
from ayes_client._connection.session import Session
from ayes_client._rooms.view import RoomView
from ayes_client._wire.proxy import via
from ayes_client.errors import AyesError, LineError
from ayes_client.state import Json

Transport: TypeAlias = Literal["websocket", "http"]
Status: TypeAlias = Literal["idle", "connecting", "open", "waiting", "stopped"]

#: Seconds that a connection must last for the wait after it to be a short one again. A server that
#: accepts and drops connections is not asked in a tight loop.
STEADY_TIMEOUT_S = 5.0
#: Sum of ``SessionEnd.blocked`` over the sockets in a row that failed at once. From it on, the
#: client works over HTTP. One refused upgrade is not enough: it may be a proxy that restarts.
MAX_BLOCKED = 2.0


class StatusReport(Protocol):
    """Receives each change of the connection's status."""

    def __call__(
        self, status: Status, *, trouble: str | None = None, retry_at: float | None = None
    ) -> None:
        """``trouble``: why there is no connection. ``retry_at``: seconds since the epoch."""


class Connector:
    """The connection of one client: one session after another."""

    def __init__(
        self,
        context: ClientContext,
        welcomed: Callable[[Json], None],
        report: StatusReport,
        only: Transport | None = None,
    ) -> None:
        self._context = context
        self._welcomed = welcomed
        self._report = report
        self._session: Session | HttpSession | None = None
        self._only = only
        self._blocked = 0.0
        self.transport: Transport = "websocket"
        """How the client reaches the server, or tries to."""

    @property
    def open(self) -> bool:
        """Whether there is a session that the server has welcomed."""
        return self._session is not None and self._session.open

    def owner(self) -> str | None:
        """Return the user of a command given now; ``None`` before there is a token."""
        return self._context.tokens.owner(connected=self.open)

    async def run(self) -> AyesError:
        """Keep a session open. Return the error that ends the client."""
        backoff = self._context.new_backoff()
        while True:
            self._report("connecting")
            ended = await self._run_session()
            self._session = None
            self._connection_lost()
            if ended.final:
                return ended.error or LineError(ended.why)
            if ended.lived >= STEADY_TIMEOUT_S:
                backoff.reset()
            wait = backoff.next() if ended.retry_after is None else ended.retry_after
            trouble = str(ended.error) if ended.error is not None else self._with_proxy(ended.why)
            self._report("waiting", trouble=trouble, retry_at=time.time() + wait)
            await asyncio.sleep(wait)

    def _with_proxy(self, why: str) -> str:
        """Return ``why`` with the proxy on the way, since it may be the cause."""
        return f"{why} ({way})" if (way := via(self._context.url)) else why

    async def _run_session(self) -> SessionEnd:
        over_http = self._blocked >= MAX_BLOCKED if self._only is None else self._only == "http"
        transport: Transport = "http" if over_http else "websocket"
        if transport != self.transport:
            self.transport = transport
            self._context.callbacks.call("transport", transport)
        if over_http:
            return await self._run_http()
        self._session = Session(self._context, self._welcomed)
        ended = await self._session.run()
        if ended.blocked and ended.lived < STEADY_TIMEOUT_S and ended.retry_after is None:
            self._blocked += ended.blocked
        else:
            self._blocked = 0.0
        return ended

    async def _run_http(self) -> SessionEnd:
        """Work over HTTP until a WebSocket gets through, or until HTTP fails too."""
        self._session = session = HttpSession(self._context, self._welcomed)
        probe = asyncio.Event().wait() if self._only else until_socket_gets_through(self._context)
        probing = asyncio.create_task(probe, name="ayes probe")
        running = asyncio.create_task(session.run(), name="ayes http session")
        try:
            await asyncio.wait((probing, running), return_when=asyncio.FIRST_COMPLETED)
            got_through = self._only is None and probing.done()
            if got_through:
                self._blocked = 0.0
                session.close("a WebSocket gets through again")
            ended = await running
        finally:
            probing.cancel()
            running.cancel()
            await asyncio.gather(probing, running, return_exceptions=True)
        if got_through:
            ended.retry_after = 0.0
        elif not session.open:
            # Neither way works: the next try is a WebSocket again.
            self._blocked = MAX_BLOCKED - 1
        return ended

    def _connection_lost(self) -> None:
        self._context.commands.connection_lost()
        self._context.queries.connection_lost()
        for view in self._context.rooms.views.values():
            view.connection_lost()

    # Sending. Without a session, the next one sends what is pending.

    def wake(self) -> None:
        """Look again for commands to send."""
        if self._session is not None:
            self._session.wake()

    def send_body(self, body: bytes) -> bool:
        """Send a message; return whether there is an open session."""
        if self._session is None or not self._session.open:
            return False
        self._session.send_body(body)
        return True

    def subscribe(self, view: RoomView) -> None:
        """Subscribe to a room."""
        if self._session is not None and self._session.open:
            self._session.subscribe(view)

    def unsubscribe(self, view: RoomView) -> None:
        """Unsubscribe from a room."""
        if self._session is not None and self._session.open:
            self._session.unsubscribe(view)
