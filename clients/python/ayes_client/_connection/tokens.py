"""The source of tokens, and the time to renew one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ayes_client._wire.jwt import subject

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]

#: Seconds before its expiry at which a token is renewed; a tenth of the time left, if that is less.
RENEWAL_LEAD_S = 60.0
#: Longest that a token function may take. Beyond, it is called again: one that hangs would keep the
#: client away for ever.
TOKEN_TIMEOUT_S = 30.0


class Tokens:
    """A token, or a function that makes one; called for each connection and each renewal.

    ``arrived`` is called when the function has made a token, before it is used. White space around
    a token, such as the end of a file's line, is no part of it. Raises ``TypeError`` for anything
    else than a text or a function.
    """

    def __init__(self, token: Token, arrived: Callable[[], None] = lambda: None) -> None:
        given: object = token
        if not isinstance(given, str) and not callable(given):
            # Only its type: it may hold a secret.
            kind = type(given).__name__
            raise TypeError(f"token is a text, or a function that returns one, not {kind}")
        self._token = token.strip() if isinstance(token, str) else token
        self._arrived = arrived
        self.latest = self._token if isinstance(self._token, str) else None
        """The token in use, or about to be; ``None`` until the function has made one."""
        self._welcomed: tuple[str | None, str] | None = None

    @property
    def renewable(self) -> bool:
        """Whether there may be another token."""
        return not isinstance(self._token, str)

    @property
    def subject(self) -> str | None:
        """The user that the token in use names; ``None`` before there is one."""
        return None if self.latest is None else subject(self.latest)

    def welcomed(self, user: str) -> None:
        """Record that the server welcomed ``user`` with the token in use."""
        self._welcomed = self.subject, user

    def owner(self, *, connected: bool) -> str | None:
        """Return the user of a command given now; ``None`` before there is a token.

        Without a connection, the token in use may name another user than the last welcome.
        """
        subject = self.subject
        if self._welcomed is not None and (connected or subject == self._welcomed[0]):
            return self._welcomed[1]
        return subject

    async def ask(self) -> str:
        """Return a token.

        Raises what the function raises, ``TimeoutError`` if it hangs, and ``TypeError`` if it
        returns no text.
        """
        if isinstance(self._token, str):
            return self._token
        made = self._token()
        if inspect.isawaitable(made):
            async with asyncio.timeout(TOKEN_TIMEOUT_S):
                made = await made
        if not isinstance(made, str):
            raise TypeError(f"the token function returned {type(made).__name__}, not a text")
        self.latest = made.strip()
        self._arrived()
        return self.latest


def renew_in(expires: float, now: float) -> float:
    """Return the seconds until a token that ``expires`` is renewed; both since the epoch."""
    left = expires - now
    return max(0.0, left - min(RENEWAL_LEAD_S, left / 10))
