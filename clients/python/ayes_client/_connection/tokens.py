"""Where tokens come from, and how long one is good for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ayes_client._wire.jwt import subject

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]

#: A token is renewed so long before it expires (seconds), or when a tenth of its life is left.
EARLY_SECONDS = 60.0
#: Longest that a token function may take (seconds). One that hangs would keep the client away, or
#: its commands back, for ever; one that fails is asked again.
PATIENCE_SECONDS = 30.0


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


def renew_in(expires: float, now: float) -> float:
    """Seconds until a token that ``expires`` should be renewed; both since the epoch."""
    left = expires - now
    return max(0.0, left - min(EARLY_SECONDS, left / 10))
