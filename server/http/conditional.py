"""Conditional requests (RFC 9110, 13)."""

from __future__ import annotations

from starlette.requests import Request


def is_known(request: Request, etag: str) -> bool:
    """Return whether ``If-None-Match`` names ``etag``, so that the answer is 304."""
    asked = request.headers.get("if-none-match", "")
    # A weak comparison (RFC 9110, 13.1.2): a proxy may have put W/ before it.
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in asked.split(","))
