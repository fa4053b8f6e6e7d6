"""Reads a request's body, bounded in bytes and in time."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from protocol.errors import ErrorCode, RetryableError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
#: Seconds within which a body must arrive; then ``bad_request``.
BODY_TIMEOUT_S = 10.0


async def read_body(request: Request, most: int) -> bytes:
    """Read the body. Raises ``too_large`` above ``most`` bytes, ``bad_request`` if incomplete."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise RetryableError(ErrorCode.TOO_LARGE, details={"limit": most})
    except TimeoutError:
        raise RetryableError(ErrorCode.BAD_REQUEST, "the body did not come in time") from None
    except ClientDisconnect:
        raise RetryableError(ErrorCode.BAD_REQUEST, "the body ended too soon") from None
    return bytes(body)


def without_mark(body: bytes) -> bytes:
    """Remove a leading byte order mark, which a reader may ignore (RFC 8259, 8.1)."""
    return body.removeprefix(_BYTE_ORDER_MARK)
