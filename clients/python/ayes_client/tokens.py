"""Where tokens come from, and how long one is good for."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import orjson

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]

#: A token is renewed so long before it expires (seconds), or when a tenth of its life is left.
EARLY_SECONDS = 60.0
#: Longest that a token function may take (seconds). One that hangs would keep the client away, or
#: its commands back, for ever; one that fails is asked again.
PATIENCE_SECONDS = 30.0

#: Begins the subject of a token that names no user: a digest of the token follows.
OPAQUE = "token:"


class Tokens:
    """A token, or a function that makes one; asked again for each hello and each renewal.

    ``arrived`` is called when the function has made a token, before it is used.
    """

    def __init__(self, token: Token, arrived: Callable[[], None] = lambda: None) -> None:
        self._token = token
        self._arrived = arrived
        self.latest = token if isinstance(token, str) else None
        """The token in use, or about to be; ``None`` until the function has made one."""
        self._welcomed: tuple[str | None, str] | None = None

    @property
    def renewable(self) -> bool:
        """Whether asking again may give another one."""
        return not isinstance(self._token, str)

    @property
    def subject(self) -> str | None:
        """Whose the token in use is; ``None`` before there is one."""
        return None if self.latest is None else subject(self.latest)

    def welcomed(self, user: str) -> None:
        """Record that the server took the token in use for ``user``'s."""
        self._welcomed = self.subject, user

    def owner(self, *, connected: bool) -> str | None:
        """The user whose a command given now is; ``None`` before there is a token.

        Without a connection the token in use may be another user's than the last welcome.
        """
        subject = self.subject
        if self._welcomed is not None and (connected or subject == self._welcomed[0]):
            return self._welcomed[1]
        return subject

    async def ask(self) -> str:
        """A token; whatever the function raises is passed on, ``TimeoutError`` where it hangs."""
        if isinstance(self._token, str):
            return self._token
        made = self._token()
        if inspect.isawaitable(made):
            async with asyncio.timeout(PATIENCE_SECONDS):
                made = await made
        self.latest = made
        self._arrived()
        return made


def expiry(token: str) -> float | None:
    """The ``exp`` of a JWT (RFC 7519, 4.1.4) in seconds since the epoch, if it has one.

    Nothing is verified: the server does that. Used only to renew in time.
    """
    expires = _claims(token).get("exp")
    return float(expires) if isinstance(expires, int | float) else None


def subject(token: str) -> str:
    """The ``sub`` of a JWT (RFC 7519, 4.1.2): the user whose token it is.

    A token of another kind gives a digest, which tells it from other tokens. Nothing is verified.
    Used only to keep one user's commands apart from another's.
    """
    found = _claims(token).get("sub")
    if isinstance(found, str) and found:
        return found
    return f"{OPAQUE}{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JWT; empty for a token of another kind."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def renew_in(expires: float, now: float) -> float:
    """Seconds until a token that ``expires`` should be renewed; both since the epoch."""
    left = expires - now
    return max(0.0, left - min(EARLY_SECONDS, left / 10))
