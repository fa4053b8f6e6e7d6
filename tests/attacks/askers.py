"""Attackers with a valid token that ask questions, over sockets and HTTP, as fast as they can.

Each asks until its time is over, discards what it receives, and counts answers.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from tests.attacks.floods import UPGRADE, hello
from tests.server.raw import TEXT, masked

_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
#: Beginnings of messages that are not answers.
_UNASKED = tuple(
    b'{"type":"%b"' % kind for kind in (b"diff", b"heartbeat", b"presence", b"welcome", b"you")
)
_ERROR = b'{"type":"error"'
#: Bytes kept of a message: enough to find its type.
_KEPT = 24
#: Seconds until an asker whose socket was closed connects again.
BACK_S = 0.2


class AskedAbout(NamedTuple):
    """The records that the questions ask about."""

    event: str
    """A heavy event."""
    code: str
    own: list[str]
    """Ids of commands that the asker sent to the event."""


class Kind(NamedTuple):
    """How the questions of a flood are made."""

    connections: int
    outstanding: int
    """Unanswered questions of one socket; 0 means HTTP, one question after another."""
    asked: Callable[[AskedAbout], Iterator[bytes]]
    """The questions to repeat: messages, or paths behind a method."""
    asker: str = "member"
    """The user who asks: ``member``, ``admin``, or ``stranger``."""


def _again(**fields: Any) -> Iterator[bytes]:
    return itertools.repeat(json.dumps(fields).encode())


def _in_turns(ground: AskedAbout) -> Iterator[bytes]:
    words = [{"type": kind, "event": ground.event} for kind in ("subscribe", "unsubscribe")]
    return itertools.cycle([json.dumps(word).encode() for word in words])


def _previews(ground: AskedAbout) -> Iterator[bytes]:
    """Every question differs, so that no cached answer serves the next one."""
    for threshold in itertools.cycle(range(500, 100_000)):
        rule = {"auto": True, "rule": "count", "threshold": threshold}
        policy = {"assumption": rule}
        yield json.dumps(
            {"type": "event.preview_policy", "event": ground.event, "policy": policy}
        ).encode()


def _nowhere(ground: AskedAbout) -> Iterator[bytes]:
    for number in itertools.count():
        yield json.dumps(
            {
                "type": "vote.retract",
                "id": f"nowhere-{number:08}",
                "event": str(uuid.uuid4()),
                "proposal": "p_1",
            }
        ).encode()


def _get(path: str) -> Callable[[AskedAbout], Iterator[bytes]]:
    def asked(ground: AskedAbout) -> Iterator[bytes]:
        return itertools.repeat(f"GET /v1/events/{ground.event}{path}".encode())

    return asked


KINDS = {
    "previews of a policy": Kind(10, 4, _previews),
    "one preview, again and again": Kind(
        10,
        4,
        lambda ground: _again(type="event.preview_policy", event=ground.event, policy={}),
    ),
    "pages of comments": Kind(16, 0, _get("/comments?limit=200")),
    "pages of proposals": Kind(16, 0, _get("/proposals?limit=200")),
    "status of 256 commands": Kind(
        10,
        4,
        lambda ground: _again(type="command.status", event=ground.event, ids=ground.own),
    ),
    "a heavy snapshot over HTTP": Kind(4, 0, _get("")),
    "a heavy stream, begun again and again": Kind(4, 0, _get("/stream")),
    "subscribe and unsubscribe": Kind(10, 1, _in_turns),
    "commands to events that do not exist": Kind(4, 16, _nowhere),
    "pages of the journal": Kind(16, 0, _get("/journal?limit=200"), "admin"),
    "overviews": Kind(10, 4, lambda ground: _again(type="event.overview", code=ground.code)),
    "events, mine": Kind(10, 4, lambda ground: _again(type="events.list", limit=200)),
    "a stranger's snapshots": Kind(16, 0, _get(""), "stranger"),
    "a stranger's previews": Kind(10, 4, _previews, "stranger"),
}


async def ask_on(
    port: int, kind: Kind, ground: AskedAbout, token: str, until: float
) -> Counter[str]:
    """Ask questions of ``kind`` on one connection until ``until``; count each kind of answer."""
    found: Counter[str] = Counter()
    asked = kind.asked(ground)
    while (left := until - time.monotonic()) > 0:
        try:
            async with asyncio.timeout(left):
                if kind.outstanding:
                    await _over_a_socket(port, kind.outstanding, asked, token, found)
                    await asyncio.sleep(BACK_S)
                else:
                    await _over_http(port, asked, token, found)
        except TimeoutError:
            break
        except (OSError, asyncio.IncompleteReadError):
            found["ended"] += 1
    return found


async def _over_a_socket(
    port: int, outstanding: int, asked: Iterator[bytes], token: str, found: Counter[str]
) -> None:
    loop = asyncio.get_running_loop()
    transport, asker = await loop.create_connection(
        lambda: _Asker(outstanding, asked, token, found), "127.0.0.1", port
    )
    try:
        await asker.gone.wait()
        found["ended"] += 1
    finally:
        transport.abort()


class _Asker(asyncio.Protocol):
    """Asks again after each answer."""

    transport: asyncio.Transport

    def __init__(
        self, outstanding: int, asked: Iterator[bytes], token: str, found: Counter[str]
    ) -> None:
        self.gone = asyncio.Event()
        self._outstanding = outstanding
        self._asked = asked
        self._token = token
        self._found = found
        self._upgraded = False
        self._rest = b""
        self._skip = 0
        """Bytes of the current message that are still to come."""
        self._begins = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(UPGRADE)

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
            if self._skip:
                return
            self._heard(self._begins)
        self._rest += data
        if not self._upgraded:
            _, end, rest = self._rest.partition(b"\r\n\r\n")
            if not end:
                return
            self._upgraded = True
            self._rest = rest
            self.transport.write(hello(self._token))
        while self._frame():
            pass

    def _frame(self) -> bool:
        """Take one frame; return whether there was one."""
        rest = self._rest
        if len(rest) < 2:
            return False
        at, size = 2, rest[1]
        if size > 125:
            at = 4 if size == 126 else 10
            size = int.from_bytes(rest[2:at], "big")
        if len(rest) < at + min(size, _KEPT):
            return False
        self._begins = rest[at : at + _KEPT] if rest[0] & 15 == TEXT else b""
        self._skip = max(0, at + size - len(rest))
        self._rest = rest[at + size :]
        if not self._skip:
            self._heard(self._begins)
        return not self._skip

    def _heard(self, begins: bytes) -> None:
        if begins.startswith(b'{"type":"welcome"'):
            self._ask(self._outstanding)
        elif begins and not begins.startswith(_UNASKED):
            self._found["refused" if begins.startswith(_ERROR) else "answered"] += 1
            self._ask(1)

    def _ask(self, count: int) -> None:
        if not self.transport.is_closing():
            self.transport.write(b"".join(masked(TEXT, next(self._asked)) for _ in range(count)))


async def _over_http(port: int, asked: Iterator[bytes], token: str, found: Counter[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    head = f" HTTP/1.1\r\nhost: ayes\r\nauthorization: Bearer {token}\r\n\r\n".encode()
    try:
        while True:
            writer.write(next(asked) + head)
            answer = await reader.readuntil(b"\r\n\r\n")
            found["answered" if b" 200 " in answer[:20] else "refused"] += 1
            if not (length := _LENGTH.findall(answer)):
                # Only the first bytes of a stream are read; they are its cost.
                await reader.read(1 << 16)
                return
            left = int(length[0])
            while left:
                left -= len(await reader.read(left)) or left
    finally:
        writer.transport.abort()
