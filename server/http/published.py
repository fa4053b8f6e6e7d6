"""Publishes the protocol as JSON Schema, AsyncAPI and OpenAPI documents, without a token.

They are generated from the types in ``protocol/`` with this server's limits, once.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.fields import TextLimits
from protocol.published import asyncapi, json_schema, openapi
from server.http.conditional import is_known

#: Path → the function that makes the document, and its media type.
DOCUMENTS = {
    "/v1/schema": (json_schema.document, "application/schema+json"),
    "/v1/asyncapi.json": (asyncapi.document, "application/vnd.aai.asyncapi+json;version=3.0.0"),
    "/v1/openapi.json": (openapi.document, "application/vnd.oai.openapi+json;version=3.1"),
}
#: Seconds for which a cached copy may be used; a new release may publish another document.
DOCUMENT_TTL_S = 300


def routes(limits: TextLimits) -> list[Route]:
    """Return a route for each document."""
    return [Route(path, _endpoint(path, limits)) for path in DOCUMENTS]


def _endpoint(path: str, limits: TextLimits) -> Callable[[Request], Awaitable[Response]]:
    async def published(request: Request) -> Response:
        # In a thread, since the first call takes a while.
        body, etag, media_type = await asyncio.to_thread(_encoded, path, limits)
        headers = {"etag": etag, "cache-control": f"public, max-age={DOCUMENT_TTL_S}"}
        if is_known(request, etag):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=media_type, headers=headers)

    return published


@functools.cache
def _encoded(path: str, limits: TextLimits) -> tuple[bytes, str, str]:
    """Return the document's bytes, entity tag and media type, made at the first request."""
    made, media_type = DOCUMENTS[path]
    body = json_schema.encode(made(limits))
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', media_type
