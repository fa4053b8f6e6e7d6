"""HTTP answers: JSON that is not cached, and errors with the same body as on a socket."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from protocol import answers
from protocol.errors import ERRORS, ErrorCode, ProtocolError


class _Wait(msgspec.Struct):
    retry_after_ms: int | None = None


_wait = msgspec.json.Decoder(_Wait)


#: Bytes of a body that are written at once; the rest is written when the connection has room.
BODY_SLICE_BYTES = 65_536

_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}


def json_answer(body: bytes, status: int = 200) -> Response:
    """Make a response of ``body``, which is encoded JSON."""
    return Response(body, status_code=status, media_type="application/json", headers=_HEADERS)


class ErrorAnswer(Response):
    """JSON of an ``error`` message with this ``code``."""

    media_type = "application/json"

    def __init__(self, message: bytes, code: ErrorCode) -> None:
        self.code = code
        super().__init__(message, status_code=ERRORS[code].http, headers=_HEADERS)


class PartsAnswer(Response):
    """JSON in parts, sent in slices, so that a slow reader costs no copy of them."""

    media_type = "application/json"

    def __init__(self, parts: tuple[bytes, ...]) -> None:
        self.parts = parts
        self.size = sum(map(len, parts))
        super().__init__(headers=_HEADERS | {"content-length": str(self.size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        head = {"type": "http.response.start", "status": self.status_code}
        await send(head | {"headers": self.raw_headers})
        for piece in slices(self.parts):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def slices(parts: tuple[bytes, ...]) -> Iterator[memoryview]:
    """Split ``parts`` into slices without copying."""
    for part in parts:
        view = memoryview(part)
        for start in range(0, len(part), BODY_SLICE_BYTES):
            yield view[start : start + BODY_SLICE_BYTES]


def error_answer(
    err: ProtocolError,
    *,
    id: str | None = None,
    ref: str | int | None = None,
    event: str | None = None,
) -> Response:
    """Make the response for an error, with its status and headers."""
    return encoded_error(answers.error(err, id=id, ref=ref, event=event), err.code)


def encoded_error(message: bytes, code: ErrorCode) -> Response:
    """Make the response for an encoded ``error`` message."""
    status = ERRORS[code].http
    response = ErrorAnswer(message, code)
    waits = status in (429, 503) or code == ErrorCode.AUTH_EARLY
    if waits and (wait := _wait.decode(message).retry_after_ms) is not None:
        response.headers["retry-after"] = str(-(-wait // 1000))
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response
