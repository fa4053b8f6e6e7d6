"""Cross-Origin Resource Sharing for `/v1/`: the origins that may open a socket may ask over HTTP.

Never ``*``, and no credentials: a token in a header is the only way in. An origin that is not
allowed gets no header, so that its browser keeps the answer from the page.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.identity.origins import Origins

_METHODS = "GET, HEAD, POST, OPTIONS"
_FIELDS = "authorization, content-type, idempotency-key, if-none-match, last-event-id"
_EXPOSED = "etag, retry-after"
#: Seconds for which a browser may remember the answer to its OPTIONS. Browsers cap it at two hours;
#: an origin that was taken off the list should not be let in for longer than this.
PREFLIGHT_TTL_S = 600


class Cors:
    """ASGI middleware that adds the headers, and answers ``OPTIONS``."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        origin = Headers(scope=scope).get("origin")
        is_allowed = origin is not None and self._origins.allow(origin, scope)
        allowed = {"access-control-allow-origin": origin} if origin and is_allowed else {}
        if scope["method"] == "OPTIONS":
            await _options(allowed)(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("origin")
                if allowed:
                    headers.update(allowed | {"access-control-expose-headers": _EXPOSED})
            await send(message)

        await self._app(scope, receive, answer)


def _options(allowed: dict[str, str]) -> Response:
    headers = {"allow": _METHODS, "vary": "origin", "cache-control": "no-store"}
    if allowed:
        headers |= allowed | {
            "access-control-allow-methods": _METHODS,
            "access-control-allow-headers": _FIELDS,
            "access-control-max-age": str(PREFLIGHT_TTL_S),
        }
    return Response(status_code=204, headers=headers)
