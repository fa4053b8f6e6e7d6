"""The claims of a token (RFC 7519) that a client uses.

Nothing is verified: the server does that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import orjson

#: Begins the subject of a token that names no user: a digest of the token follows.
OPAQUE = "token:"


def expiry(token: str) -> float | None:
    """Return the ``exp`` of a JWT (RFC 7519, 4.1.4) in seconds since the epoch, if it has one.

    Used only to renew in time.
    """
    expires = _claims(token).get("exp")
    return float(expires) if isinstance(expires, int | float) else None


def subject(token: str) -> str:
    """Return the ``sub`` of a JWT (RFC 7519, 4.1.2): the user whose token it is.

    A token of another kind gives a digest of itself. Used only to keep one user's commands apart
    from another's.
    """
    found = _claims(token).get("sub")
    if isinstance(found, str) and found:
        return found
    return f"{OPAQUE}{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def name(token: str) -> str | None:
    """Return the ``name`` of a JWT, if it has one."""
    found = _claims(token).get("name")
    return found if isinstance(found, str) else None


def _claims(token: str) -> dict[str, Any]:
    """Decode the claims of a JWT; empty for a token of another kind."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
