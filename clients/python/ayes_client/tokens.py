"""Where tokens come from, and how long one is good for."""

from __future__ import annotations

import asyncio
import base64
import binascii
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import orjson

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]

#: A token is renewed so long before it expires (seconds), or when a tenth of its life is left.
EARLY_SECONDS = 60.0
#: Longest that a token function may take (seconds). One that hangs would keep the client away, or
#: its commands back, for ever; one that fails is asked again.
PATIENCE_SECONDS = 30.0


class Tokens:
    """A token, or a function that makes one; asked again for each hello and each renewal."""

    def __init__(self, token: Token) -> None:
        self._token = token

    @property
    def renewable(self) -> bool:
        """Whether asking again may give another one."""
        return not isinstance(self._token, str)

    async def ask(self) -> str:
        """A token; whatever the function raises is passed on, ``TimeoutError`` where it hangs."""
        if isinstance(self._token, str):
            return self._token
        made = self._token()
        if not inspect.isawaitable(made):
            return made
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await made


def expiry(token: str) -> float | None:
    """When a JWT expires by its own word (seconds since the epoch), where it says so.

    Nothing is verified: that is the server's. Used only to renew in time.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return float(expires) if isinstance(expires, int | float) else None


def renew_in(expires: float, now: float) -> float:
    """Seconds until a token that ``expires`` should be renewed; both since the epoch."""
    left = expires - now
    return max(0.0, left - min(EARLY_SECONDS, left / 10))
