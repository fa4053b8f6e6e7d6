"""Answers over HTTP: JSON that nobody keeps, and errors with the body they have on the socket."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from protocol import answers
from protocol.errors import ERRORS, ErrorCode, ProtocolError


class _Wait(msgspec.Struct):
    retry_after_ms: int | None = None


_wait = msgspec.json.Decoder(_Wait)


def json_answer(body: bytes, status: int = 200) -> Response:
    """``body``, which is JSON already."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def error_answer(
    err: ProtocolError,
    *,
    id: str | None = None,
    ref: str | int | None = None,
    event: str | None = None,
) -> Response:
    """The error with its status, and the headers that go with it."""
    return told_error(answers.error(err, id=id, ref=ref, event=event), err.code)


def told_error(message: bytes, code: ErrorCode) -> Response:
    """The same for an ``error`` that is put together already."""
    status = ERRORS[code].http
    response = json_answer(message, status)
    if status in (429, 503) and (wait := _wait.decode(message).retry_after_ms) is not None:
        response.headers["retry-after"] = str(-(-wait // 1000))
    if status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response
