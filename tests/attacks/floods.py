"""Attackers that flood, trickle or hold a connection; each reports how it was ended.

All of them read what the server sends, unless they are deaf. They give up after ``LIMIT_S``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeAlias

from tests.server.raw import CONT, HANDSHAKE, PING, PONG, TEXT, masked

#: Seconds and bytes after which an attacker gives up, if the server has not ended it: a failure.
LIMIT_S = 100.0
MAX_BYTES = 160 << 20

UPGRADE = b"GET /v1/socket HTTP/1.1\r\n" + HANDSHAKE + b"\r\n"

_message = masked(TEXT, b'{"type":"ping"}')
#: Messages of one frame, in the flood of batches.
MESSAGES_IN_A_BATCH = 256
_batch = b"[" + b'{"type":"ping"},' * (MESSAGES_IN_A_BATCH - 1) + b"0]"
_fragment = masked(CONT, b"x", fin=False)
_empty = masked(CONT, fin=False)

#: The messages of each flood. Each flood is over a budget within a second.
FLOODS = {
    "messages": (b"", _message * 500),
    "messages in batches": (b"", masked(TEXT, _batch) * 8),
    "pings": (b"", masked(PING) * 1_000),
    "pings, full": (b"", masked(PING, bytes(125)) * 100),
    "pongs": (b"", masked(PONG) * 1_000),
    "fragments": (masked(TEXT, b"x", fin=False), _fragment * 1_000),
    "empty fragments": (masked(TEXT, fin=False), _empty * 1_000),
    "a fragment, and pings": (masked(TEXT, b"x", fin=False), masked(PING) * 1_000),
    "one long message": (
        masked(TEXT, bytes(65_000), fin=False),
        masked(CONT, bytes(65_000), fin=False),
    ),
    "too large, again and again": (b"", masked(TEXT, bytes(66_000)) * 4),
    "no JSON": (b"", masked(TEXT, b"no") * 100),
}

#: Bytes of one frame of each flood.
FRAME = {
    "messages": len(_message),
    "messages in batches": len(masked(TEXT, _batch)),
    "pings": len(masked(PING)),
    "pings, full": len(masked(PING, bytes(125))),
    "pongs": len(masked(PONG)),
    "fragments": len(_fragment),
    "empty fragments": len(_empty),
    "a fragment, and pings": len(masked(PING)),
    "one long message": len(masked(CONT, bytes(65_000))),
    "too large, again and again": len(masked(TEXT, bytes(66_000))),
    "no JSON": len(masked(TEXT, b"no")),
}

#: Requests sent a byte at a time, before any upgrade. None of them is ever complete.
TRICKLES = {
    "nothing": b"",
    "a request": UPGRADE[:-1],
    "a header without end": UPGRADE[:-2] + b"X: " + b"y" * 4_000,
    "a body": b"POST /v1/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 4000\r\n\r\n"
    + b"z" * 4_000,
    "chunks": b"POST /v1/commands HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"1\r\nz\r\n" * 900,
}

#: Of these, the requests with a complete header.
BODIES = ("a body", "chunks")

Attacker: TypeAlias = Callable[[int], Awaitable["End"]]


class End:
    """How a connection was ended by the server, and after how long."""

    def __init__(self, code: int, seconds: float, got: bytes, port: int = 0) -> None:
        self.code = code
        """The code of the close frame; 0 if the connection ended without one."""
        self.seconds = seconds
        self.got = got
        self.port = port
        """The attacker's own port."""


class Peer(asyncio.Protocol):
    """Reads everything, and keeps the last bytes."""

    def __init__(self) -> None:
        self.tail = b""
        self.writable = asyncio.Event()
        self.writable.set()
        self.answered = asyncio.Event()
        self.gone = asyncio.Event()
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.port = transport.get_extra_info("sockname")[1]

    def data_received(self, data: bytes) -> None:
        self.tail = (self.tail + data)[-4_096:]
        self.answered.set()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone.set()
        self.answered.set()
        self.writable.set()


@contextlib.asynccontextmanager
async def connected(port: int, said: bytes = b"") -> AsyncIterator[tuple[asyncio.Transport, Peer]]:
    """A connection, given up at the end."""
    transport, peer = await asyncio.get_running_loop().create_connection(Peer, "127.0.0.1", port)
    try:
        transport.write(said)
        yield transport, peer
    finally:
        if not peer.gone.is_set():
            transport.abort()


def hello(token: str) -> bytes:
    """The first frame."""
    return masked(TEXT, json.dumps({"type": "hello", "token": token}).encode())


async def flood(port: int, token: str, first: bytes, again: bytes) -> End:
    """Upgrade, say hello, send ``first``, then repeat ``again`` until the server closes."""
    async with connected(port, UPGRADE) as (transport, peer), asyncio.timeout(LIMIT_S):
        await peer.answered.wait()
        transport.write(hello(token) + first)
        begun, said = time.monotonic(), 0
        while not peer.gone.is_set() and said < MAX_BYTES:
            transport.write(again)
            said += len(again)
            await peer.writable.wait()
            await asyncio.sleep(0)
        await peer.gone.wait()
    return End(_code(peer.tail), time.monotonic() - begun, peer.tail, peer.port)


async def trickle(port: int, data: bytes, gap: float) -> End:
    """Send ``data`` a byte at a time, with ``gap`` seconds between, until the server closes."""
    async with connected(port) as (transport, peer), asyncio.timeout(LIMIT_S):
        begun = time.monotonic()
        for at in range(len(data)):
            if peer.gone.is_set():
                break
            transport.write(data[at : at + 1])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(gap):
                    await peer.gone.wait()
        await peer.gone.wait()
    return End(_code(peer.tail), time.monotonic() - begun, peer.tail, peer.port)


async def idle(port: int, said: bytes = UPGRADE) -> End:
    """Upgrade, then never say hello."""
    async with connected(port, said) as (_, peer), asyncio.timeout(LIMIT_S):
        begun = time.monotonic()
        await peer.gone.wait()
    return End(_code(peer.tail), time.monotonic() - begun, peer.tail, peer.port)


def ends(found: Iterable[End]) -> Counter[int]:
    """Count each close code."""
    return Counter(end.code for end in found)


def _code(tail: bytes) -> int:
    """The code in a close frame that ``tail`` ends with."""
    at = tail.rfind(b"\x88")
    while at >= 0:
        if len(tail) >= at + 4 and len(tail) == at + 2 + tail[at + 1]:
            return int.from_bytes(tail[at + 2 : at + 4], "big")
        at = tail.rfind(b"\x88", 0, at)
    return 0


def deaf(port: int) -> socket.socket:
    """A socket that receives a few KiB and then stops reading."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    made.connect(("127.0.0.1", port))
    made.setblocking(False)
    return made


async def subscribe_deaf(port: int, token: str, event: str) -> socket.socket:
    """A subscribed socket that has read its welcome, and never reads again."""
    loop = asyncio.get_running_loop()
    made = await asyncio.to_thread(deaf, port)
    subscribed = masked(TEXT, json.dumps({"type": "subscribe", "event": event}).encode())
    await loop.sock_sendall(made, UPGRADE)
    await loop.sock_recv(made, 1_024)
    await loop.sock_sendall(made, hello(token) + subscribed)
    await loop.sock_recv(made, 1_024)
    return made
