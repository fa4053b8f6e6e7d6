"""The routes of the application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import WebSocketRoute

from protocol import answers
from protocol.errors import ErrorCode, RetryableError, bad_request
from server.admin import api as admin
from server.http import api, entry, metrics, probes, published
from server.http.answers import json_answer
from server.http.cors import Cors
from server.node import Node
from server.page import page
from server.page.wrong_paths import way_in
from server.sessions.endpoint import SocketEndpoint

#: Where sockets open.
SOCKET_PATH = "/v1/socket"


def make_app(node: Node, render: metrics.Render) -> Starlette:
    """Return the ASGI application of ``node``; ``render`` makes its metrics."""
    app = Starlette(
        middleware=[Middleware(Cors, origins=node.origins)],
        exception_handlers={404: _not_found, 405: _not_found},
        routes=[
            WebSocketRoute(SOCKET_PATH, SocketEndpoint(node.context)),
            *probes.routes(node),
            *api.routes(node),
            *entry.routes(node),
            *published.routes(node.texts),
            *metrics.routes(node, render),
            *admin.routes(node),
            *page.routes(node),
        ],
    )
    # A redirect would be made from the Host header, which the client chooses.
    app.router.redirect_slashes = False
    return app


async def _not_found(request: Request, err: Exception) -> Response:
    """Lead a person into the page; answer a program with the same body as every other error."""
    assert isinstance(err, HTTPException)
    if request.url.path == SOCKET_PATH:
        return _upgrade_required()
    if err.status_code == 404 and (way := way_in(request)) is not None:
        # No RedirectResponse: it would quote the fragment a second time.
        return Response(status_code=302, headers={"location": way, "cache-control": "no-store"})
    answer = json_answer(
        answers.error(RetryableError(ErrorCode.NOT_FOUND, err.detail)), err.status_code
    )
    answer.headers.update(err.headers or {})
    return answer


def _upgrade_required() -> Response:
    """Say what the request lacks: mostly, a proxy drops the upgrade."""
    err = bad_request(
        "upgrade", "this is a WebSocket: the request asks for no upgrade, or a proxy dropped it"
    )
    answer = json_answer(answers.error(err), 426)
    answer.headers.update({"upgrade": "websocket", "connection": "upgrade"})
    return answer
