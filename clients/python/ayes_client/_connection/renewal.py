"""Renews the token of an open socket: in time, and when the server asks for it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable

from ayes_client._connection.tokens import Tokens, renew_in
from ayes_client._wire.backoff import Backoff
from ayes_client._wire.jwt import expiry
from ayes_client._wire.moments import ServerClock, seconds_of
from ayes_client.state import Json

log = logging.getLogger("ayes_client")

#: Seconds for the server to answer ``auth``. Beyond, another token is tried.
AUTH_TIMEOUT_S = 10.0
#: Shortest wait between two tokens. A token function that answers at once must not be called in a
#: tight loop.
MIN_RETRY_DELAY_S = 0.1


class Renewal:
    """Renews the token of one socket.

    ``send`` sends on the socket; ``renewed`` is called when commands may be sent again.
    """

    def __init__(
        self,
        tokens: Tokens,
        clock: ServerClock,
        backoff: Backoff,
        send: Callable[[Json], None],
        renewed: Callable[[], None],
    ) -> None:
        self._tokens = tokens
        self._clock = clock
        self._backoff = backoff
        self._send = send
        self._renewed = renewed
        self._loop = asyncio.get_running_loop()
        self._refs = itertools.count(1)
        self._at: float | None = None
        self._due = asyncio.Event()
        self._ref = ""
        self._answer: asyncio.Future[Json] | None = None

    def begin(self, token: str) -> None:
        """Start: the socket is open with ``token``."""
        self._set_expiry(expiry(token))

    def expired(self) -> None:
        """Ask for a new token now: the server found this one expired."""
        if self._answer is None:
            self._at = self._loop.time()
            self._due.set()

    def on_answer(self, message: Json) -> bool:
        """Take the answer to ``auth``. Return whether ``message`` was one."""
        if self._answer is None or message.get("ref") != self._ref:
            return False
        if not self._answer.done():
            self._answer.set_result(message)
        return True

    async def run(self) -> None:
        """Renew the token again and again. Returns if there is no other token."""
        while True:
            await self._until_due()
            if not self._tokens.renewable:
                return
            if await self._renew():
                self._backoff.reset()
                self._renewed()
            else:
                wait = max(MIN_RETRY_DELAY_S, self._backoff.next())
                self._at = self._loop.time() + wait

    async def _until_due(self) -> None:
        while self._at is None or self._at > self._loop.time():
            wait = None if self._at is None else self._at - self._loop.time()
            self._due.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._due.wait()
        self._at = None

    async def _renew(self) -> bool:
        try:
            token = await self._tokens.ask()
        except Exception as err:
            log.warning("no new token: %s", err)
            return False
        self._ref = f"auth-{next(self._refs)}"
        self._answer = self._loop.create_future()
        self._send({"type": "auth", "ref": self._ref, "token": token})
        try:
            async with asyncio.timeout(AUTH_TIMEOUT_S):
                answer = await self._answer
        except TimeoutError:
            return False
        finally:
            self._answer = None
        if answer["type"] == "error":
            log.warning("the server refuses the new token: %s", answer["message"])
            return False
        self._set_expiry(seconds_of(answer["expires"]))
        return True

    def _set_expiry(self, at: float | None) -> None:
        if at is not None and self._tokens.renewable:
            self._at = self._loop.time() + renew_in(at, self._clock.now())
            self._due.set()
