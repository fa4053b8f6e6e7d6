"""``GET /v1/socket``: from the upgrade of a connection to its end."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Final

from starlette.types import Receive, Scope, Send

from protocol import SUBPROTOCOL, answers
from protocol.closes import CloseCode
from server.sessions.context import SessionContext
from server.sessions.session import Session
from server.transport.frames import frame
from server.transport.socket_transport import EXTENSION, SocketTransport

_BEARER: Final = re.compile(r"\ABearer +([A-Za-z0-9_.~+/=-]+)\Z", re.IGNORECASE)


class SocketEndpoint:
    """Accepts every upgrade, even to refuse it.

    A browser cannot read an HTTP status on an upgrade, but it can read a close code.
    """

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._sockets = context.sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until it ends."""
        await receive()
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        offered: list[str] = scope["subprotocols"]
        refusal = None
        chosen: str | None = None
        if not self._context.origins.allow(headers.get(b"origin"), scope):
            refusal = CloseCode.ORIGIN_NOT_ALLOWED
            chosen = offered[0] if offered else None
        elif SUBPROTOCOL in offered:
            chosen = SUBPROTOCOL
        elif offered:
            refusal, chosen = CloseCode.NO_COMMON_SUBPROTOCOL, offered[0]
        client = scope.get("client")
        address = client[0] if client else ""
        transport: SocketTransport = scope["extensions"][EXTENSION]
        reconnects, draining = self._sockets.reconnects, self._context.draining
        wait = reconnects.delay(address, time.monotonic())
        if wait and await _is_gone(receive, wait):
            return
        await send({"type": "websocket.accept", "subprotocol": chosen})
        counters = self._context.counters
        counters.sockets_opened += 1
        if refusal is None and draining.has_begun:
            transport.send(_bye(CloseCode.DRAINING, draining.retry_after_ms(), "going away"))
            refusal = CloseCode.DRAINING
        elif refusal is None and (
            wait is None or not self._sockets.connections.admit(address, time.monotonic())
        ):
            counters.refused["reconnects" if wait is None else "connections"] += 1
            transport.send(_bye(CloseCode.FLOOD, draining.retry_after_ms(), "too many connections"))
            refusal = CloseCode.FLOOD
        session: Session | None = None
        if refusal is not None:
            transport.close(refusal, refusal.name.lower())
        else:
            bearer = _BEARER.match(headers.get(b"authorization", ""))
            session = Session(
                self._context, transport, bearer=bearer[1] if bearer else None, address=address
            )
            self._sockets.add(session)
            transport.attach(session)
        while (end := await receive())["type"] != "websocket.disconnect":
            pass
        counters.sockets_closed[end["code"]] += 1
        if transport.failed:
            reconnects.record_violation(address, time.monotonic())
        elif session is not None and session.is_unauthenticated and not draining.has_begun:
            reconnects.record_unauthenticated(address, time.monotonic())


async def _is_gone(receive: Receive, seconds: float) -> bool:
    """Wait before the accept; whether the client, or the server, went away meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            # Before the accept only a disconnect can come.
            await receive()
    except TimeoutError:
        return False
    return True


def _bye(code: CloseCode, retry_after_ms: int, message: str) -> bytes:
    return frame(answers.bye(code, retry_after_ms=retry_after_ms, message=message))
