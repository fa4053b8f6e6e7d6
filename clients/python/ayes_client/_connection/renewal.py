"""Keeps the token of an open socket good: renewed in time, and when the server says so."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable
from datetime import datetime

from ayes_client._connection.tokens import Tokens, renew_in
from ayes_client._wire.backoff import Backoff
from ayes_client._wire.jwt import expiry
from ayes_client.state import Json

log = logging.getLogger("ayes_client")

#: Seconds for the server to answer ``auth``.
ANSWER_SECONDS = 10.0
#: Seconds until another token is asked for after one that was not taken, at least.
AGAIN_SECONDS = 0.1


class Renewal:
    """``say`` sends on this socket; ``good`` is called when commands may be sent again."""

    def __init__(
        self,
        tokens: Tokens,
        backoff: Backoff,
        say: Callable[[Json], None],
        good: Callable[[], None],
    ) -> None:
        self._tokens = tokens
        self._backoff = backoff
        self._say = say
        self._good = good
        self._loop = asyncio.get_running_loop()
        self._refs = itertools.count(1)
        self._at: float | None = None
        self._due = asyncio.Event()
        self._ref = ""
        self._answer: asyncio.Future[Json] | None = None
        self._skew = 0.0
        self.holds = False
        """Whether commands have to wait for a new token."""

    def begin(self, token: str, server_time: str) -> None:
        """The socket is open with ``token``, at ``server_time``."""
        self._skew = _epoch_seconds(server_time) - time.time()
        self._expires(expiry(token))

    def expired(self) -> None:
        """The server says that the token has expired: no command is sent until there is another."""
        self.holds = True
        if self._answer is None:
            self._at = self._loop.time()
            self._due.set()

    def answer(self, message: Json) -> bool:
        """What the server says to ``auth``; whether this was it."""
        if self._answer is None or message.get("ref") != self._ref:
            return False
        if not self._answer.done():
            self._answer.set_result(message)
        return True

    async def run(self) -> None:
        """Renew whenever it is time; ends where there is no other token."""
        while True:
            await self._until_due()
            if not self._tokens.renewable:
                return
            if await self._renew():
                self._backoff.reset()
                self.holds = False
                self._good()
            else:
                wait = max(AGAIN_SECONDS, self._backoff.next())
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
        self._say({"type": "auth", "ref": self._ref, "token": token})
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._answer
        except TimeoutError:
            return False
        finally:
            self._answer = None
        if answer["type"] == "error":
            log.warning("the server does not take the new token: %s", answer["message"])
            return False
        self._expires(_epoch_seconds(answer["expires"]))
        return True

    def _expires(self, at: float | None) -> None:
        if at is not None and self._tokens.renewable:
            self._at = self._loop.time() + renew_in(at, time.time() + self._skew)
            self._due.set()


def _epoch_seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
