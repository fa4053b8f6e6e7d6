"""A user's socket that connects again whenever it is lost, with the position it knew."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import Protocol

import jwt

from tests.campaign.attendance import Span
from tests.campaign.line import Line, Shared, connect
from tests.model.history import Json
from tests.promises.fold import fold
from tests.promises.running import AUDIENCE, SECRET

#: Longest that opening a line, or an answer to a request message, may take.
PATIENCE = 12.0
#: Longest silence of a server: two and a half of the heartbeats that the nodes are set to. Without
#: this limit, a line that is cut in one direction is never found dead.
SILENT_SECONDS = 12.5
#: Seconds before another try, at most; drawn.
AGAIN = 0.3
#: Errors that refuse a subscription only for now.
LATER = frozenset(("overloaded", "timeout", "busy", "rate_limited", "internal", "draining"))


#: By the number of a seat: how far the clock of its token's issuer is ahead, and how far ``nbf``.
#: Seconds; what is ahead is within the server's leeway.
WRONG_CLOCKS = ((0, None), (6, None), (-900, None), (4, 7))
TOKEN_SECONDS = 3_600


def _token(user: str, number: int) -> str:
    """A token made by a clock that may be wrong."""
    ahead, not_before = WRONG_CLOCKS[number % len(WRONG_CLOCKS)]
    now = time.time()
    claims = {"sub": user, "name": user, "aud": AUDIENCE}
    times = {"iat": now + ahead, "exp": now + ahead + TOKEN_SECONDS}
    if not_before is not None:
        times["nbf"] = now + not_before
    return jwt.encode(claims | times, SECRET, algorithm="HS256")


class Host(Protocol):
    """A node as its clients see it: its name, its address, and whether it is up."""

    name: str
    host: str
    port: int
    up: asyncio.Event


class View:
    """An observer's view of an event: the state from which commands are made."""

    def __init__(self) -> None:
        self.state: Json = {}
        self.ready = asyncio.Event()

    def take(self, message: Json) -> None:
        """Fold a message of the room into the state."""
        if message["type"] == "snapshot":
            self.state = message["state"]
            self.ready.set()
        elif message["type"] in ("resumed", "diff"):
            self.state = fold(self.state, message["patch"])


class Seat:
    """A user's socket, at home on one node, in one room."""

    def __init__(self, user: str, number: int, host: Host, shared: Shared) -> None:
        self.user, self.number, self.host = user, number, host
        self.event = ""
        """The room it is in."""
        self.view: View | None = None
        """The view that gets each message, if this is an observer's seat."""
        self.line: Line | None = None
        self.lines: list[Line] = []
        self.codes: Counter[int] = Counter()
        self.subscribed = False
        self.opened: list[Span] = []
        """The times at which it was open, except for the present one."""
        self.sent = 0
        """Commands sent from here."""
        self.seq = -1
        self.epoch = ""
        """The epoch of ``seq``; empty outside the room."""
        self._entering = False
        self._shared = shared
        self._wait = 0.0
        self._open_since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether a command can be sent from here."""
        line = self.line
        return line is not None and not line.gone.is_set() and not line.is_deaf

    @property
    def is_asked(self) -> bool:
        """Whether it is open and waits for an answer."""
        return self.is_open and self.line is not None and self.line.is_asked

    def when_open(self) -> list[Span]:
        """The times at which it was open, up to now."""
        now = [] if self._open_since is None else [Span(self._open_since, time.monotonic())]
        return self.opened + now

    def look(self) -> None:
        """Give up a silent line: a living server sends heartbeats."""
        if self.is_open and self.line is not None and self.line.silent_for() > SILENT_SECONDS:
            self.line.abort()

    async def stay(self) -> None:
        """Stay connected, for ever."""
        while True:
            await self.host.up.wait()
            line = await self._open()
            if line is not None:
                self.line = line
                self._open_since = time.monotonic()
                try:
                    await line.gone.wait()
                finally:
                    self.opened.append(Span(self._open_since, time.monotonic()))
                    self._open_since = None
                self.codes[line.code or 0] += 1
                self.subscribed = False
            await asyncio.sleep(self._wait + random.uniform(0, AGAIN))
            self._wait = 0.0

    async def _open(self) -> Line | None:
        name = f"{self.user}/{self.number}#{len(self.lines)}"
        try:
            line = await connect(name, self.user, self._shared, self.host, PATIENCE)
        except (OSError, TimeoutError):
            return None
        self.lines.append(line)
        line.on_room = self._hear
        hello: Json = {"type": "hello", "token": _token(self.user, self.number)}
        if self.epoch:
            hello["resume"] = [{"event": self.event, "epoch": self.epoch, "seq": self.seq}]
        answer = await line.ask(hello, PATIENCE)
        if answer is None or answer["type"] != "welcome":
            line.abort()
            return None
        return line

    async def enter(self) -> None:
        """Subscribe, unless it is in the room already, or may not enter it."""
        line = self.line
        if self._entering or self.subscribed or line is None:
            return
        self._entering = True
        try:
            while self.is_open and line is self.line and not self.subscribed:
                request: Json = {"type": "subscribe", "event": self.event}
                if self.epoch:
                    request |= {"epoch": self.epoch, "seq": self.seq}
                answer = await line.ask(request, PATIENCE)
                if answer is None or answer.get("code") not in LATER:
                    return
                await asyncio.sleep(AGAIN)
        finally:
            self._entering = False

    def _hear(self, message: Json) -> None:
        kind = message["type"]
        if kind == "bye":
            self._wait = message["retry_after_ms"] / 1000
        if message.get("event") != self.event:
            return
        if kind in ("snapshot", "resumed", "diff"):
            self.epoch, self.seq = message["epoch"], message["seq"]
            self.subscribed = True
        elif kind == "unsubscribed":
            self.epoch, self.seq, self.subscribed = "", -1, False
        if self.view is not None:
            self.view.take(message)
