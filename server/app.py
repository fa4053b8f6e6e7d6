"""The application: the socket's door, and the probes."""

from __future__ import annotations

import asyncio
import re
import time

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from protocol import SUBPROTOCOL, answers
from protocol.closes import CloseCode
from protocol.errors import ErrorCode, Rejection
from server.http import api, metrics, published
from server.http.answers import json_answer
from server.identity.origins import origin_allowed
from server.node import Node
from server.page import page
from server.sessions.session import Session
from server.transport.frames import frame
from server.transport.socket_transport import EXTENSION, Wire

_BEARER = re.compile(r"\ABearer +([A-Za-z0-9_.~+/=-]+)\Z", re.IGNORECASE)


def make_app(node: Node) -> Starlette:
    """The ASGI application of ``node``."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        ready = await node.is_ready()
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    async def unknown(request: Request, err: Exception) -> Response:
        """A path or method there is none of, in the body that every other error has."""
        assert isinstance(err, HTTPException)
        answer = json_answer(
            answers.error(Rejection(ErrorCode.NOT_FOUND, err.detail)), err.status_code
        )
        answer.headers.update(err.headers or {})
        return answer

    app = Starlette(
        exception_handlers={404: unknown, 405: unknown},
        routes=[
            WebSocketRoute("/v1/socket", SocketDoor(node)),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *api.routes(node),
            *published.routes(node.texts),
            *metrics.routes(node),
            *page.routes(node),
        ],
    )
    # A redirect would be made from the Host header: let a wrong path be a wrong path.
    app.router.redirect_slashes = False
    return app


class SocketDoor:
    """``GET /v1/socket``: accepts every upgrade, even to refuse it.

    A browser cannot read an HTTP status on an upgrade, but it can read a close code.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a connection from its upgrade to its end."""
        await receive()
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        offered: list[str] = scope["subprotocols"]
        refusal = None
        chosen: str | None = None
        if not origin_allowed(headers.get(b"origin"), scope, self._node.settings):
            refusal = CloseCode.ORIGIN_NOT_ALLOWED
            chosen = offered[0] if offered else None
        elif SUBPROTOCOL in offered:
            chosen = SUBPROTOCOL
        elif offered:
            refusal, chosen = CloseCode.NO_COMMON_SUBPROTOCOL, offered[0]
        client = scope.get("client")
        address = client[0] if client else ""
        wire: Wire = scope["extensions"][EXTENSION]
        wait = self._node.offenders.wait(address, time.monotonic())
        if wait and await _is_gone(receive, wait):
            return
        await send({"type": "websocket.accept", "subprotocol": chosen})
        if refusal is None and self._node.draining:
            wire.send(_bye(CloseCode.DRAINING, self._node.retry_after_ms(), "going away"))
            refusal = CloseCode.DRAINING
        elif refusal is None and (
            wait is None or not self._node.crowd.is_welcome(address, time.monotonic())
        ):
            wire.send(_bye(CloseCode.FLOOD, self._node.retry_after_ms(), "too many connections"))
            refusal = CloseCode.FLOOD
        session: Session | None = None
        if refusal is not None:
            wire.close(refusal, refusal.name.lower())
        else:
            bearer = _BEARER.match(headers.get(b"authorization", ""))
            session = Session(
                self._node,
                wire,
                bearer=bearer[1] if bearer else None,
                address=address,
            )
            self._node.open(session)
            wire.attach(session)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        if wire.failed:
            self._node.offenders.note(address, time.monotonic())
        elif session is not None and session.is_nameless and not self._node.draining:
            self._node.offenders.note_nameless(address, time.monotonic())


async def _is_gone(receive: Receive, seconds: float) -> bool:
    """Wait before the accept; whether the peer went, or the server, meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            # Nothing else can come before the accept.
            await receive()
    except TimeoutError:
        return False
    return True


def _bye(code: CloseCode, retry_after_ms: int, message: str) -> bytes:
    return frame(answers.bye(code, retry_after_ms=retry_after_ms, message=message))
