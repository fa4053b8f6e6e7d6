"""Answers over HTTP: JSON that nobody keeps, and errors with the body they have on the socket."""

from __future__ import annotations

from starlette.responses import Response

from protocol import answers
from protocol.errors import ERRORS, ErrorCode, ProtocolError


def json_answer(body: bytes, status: int = 200) -> Response:
    """``body``, which is JSON already."""
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def error_answer(err: ProtocolError, *, event: str | None = None) -> Response:
    """The error with its status, and the headers that go with it."""
    response = json_answer(answers.error(err, event=event), ERRORS[err.code].http)
    if err.retry_after_ms is not None:
        response.headers["retry-after"] = str(-(-err.retry_after_ms // 1000))
    if err.code in (ErrorCode.UNAUTHENTICATED, ErrorCode.AUTH_EXPIRED):
        response.headers["www-authenticate"] = "Bearer"
    return response
