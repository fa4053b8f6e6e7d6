"""An endpoint of the HTTP API: authentication, the user's limits, and errors as on a socket."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from protocol.errors import ErrorCode, ProtocolError, RetryableError
from server.http.answers import ErrorAnswer, PartsAnswer, error_answer
from server.identity.auth import Identity
from server.transport.large_answers import HTTP_PLACE_TIMEOUT_S, MIN_LARGE_BYTES, Place
from server.transport.user_requests import CONNECTION

if TYPE_CHECKING:
    from server.node import Node
    from server.transport.guard_http import GuardedHttp

#: Seconds until a request is answered, or a stream has begun; then ``timeout``. Enough for the body
#: and then for a command.
HTTP_REQUEST_TIMEOUT_S = 30.0

log = logging.getLogger("ayes.http")

Answering: TypeAlias = Callable[[Request, Identity], Awaitable[Response]]


class Endpoint:
    """Authenticates, then calls ``answering``.

    ``large``: its answer may need a place; a function reads the request and returns whether.
    """

    def __init__(
        self,
        node: Node,
        answering: Answering,
        *,
        large: bool | Callable[[Request], Awaitable[bool]],
    ) -> None:
        self._node = node
        self._answering = answering
        self._large = large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        try:
            identity = self._identity(request)
            self._node.requests.begin(identity.actor.user)
        except ProtocolError as err:
            refusal = self._error(request, err)
            self._count(refusal)
            await refusal(scope, receive, send)
            return
        try:
            await self._answer(request, identity, send)
        finally:
            self._node.requests.end(identity.actor.user, _own_connection(scope))

    async def _answer(self, request: Request, identity: Identity, send: Send) -> None:
        place: Place | None = None
        try:
            response: Response
            try:
                async with asyncio.timeout(HTTP_REQUEST_TIMEOUT_S):
                    large = self._large
                    if large if isinstance(large, bool) else await large(request):
                        user = identity.actor.user
                        place = await self._node.large_answers.place(user, HTTP_PLACE_TIMEOUT_S)
                    response = await self._answering(request, identity)
            except ProtocolError as err:
                response = self._error(request, err)
            except TimeoutError:
                response = self._error(request, RetryableError(ErrorCode.TIMEOUT))
            except Exception:
                log.exception("%s %r failed", request.method, request.url.path)
                response = self._error(request, RetryableError(ErrorCode.INTERNAL))
            self._count(response)
            if place is not None:
                _carry(place, response, request.scope)
            await response(request.scope, request.receive, send)
        finally:
            if place is not None:
                place.end()

    def _count(self, response: Response) -> None:
        if isinstance(response, ErrorAnswer):
            self._node.counters.errors[response.code] += 1

    def _error(self, request: Request, err: ProtocolError) -> Response:
        return error_answer(err, event=request.path_params.get("event"))

    def _identity(self, request: Request) -> Identity:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise RetryableError(ErrorCode.UNAUTHENTICATED)
        identity = self._node.identities.identify(token.strip())
        self._node.user_rates.take(identity.actor.user)
        return identity


def _carry(place: Place, response: Response, scope: Scope) -> None:
    """Let ``response`` hold its place until it is sent; a small one needs none."""
    if isinstance(response, PartsAnswer) and response.size >= MIN_LARGE_BYTES:
        connection = connection_of(scope)
        if connection is not None:
            place.carry(response.parts, connection.abort)
    else:
        place.end()


def connection_of(scope: Scope) -> GuardedHttp | None:
    """Return the request's connection, if the guard made its scope."""
    connection: GuardedHttp | None = scope.get("extensions", {}).get(CONNECTION)
    return connection


def _own_connection(scope: Scope) -> GuardedHttp | None:
    """Return the request's connection, unless it is a proxy's, shared by many users."""
    connection = connection_of(scope)
    if connection is None or tuple(scope["client"] or ()) != tuple(connection.client or ()):
        return None
    return connection
