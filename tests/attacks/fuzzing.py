"""Sends random frames to a server over many sockets at once, and judges the answers."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from protocol.closes import CloseCode
from protocol.errors import ErrorCode
from tests.attacks.stories import Story, story

#: How many times the usual number of frames and messages is sent; the long run has 10.
TIMES = int(os.environ.get("AYES_FUZZ_TIMES", "1"))
#: Close codes that the server may use, in addition to echoing a client's own code.
DOCUMENTED = {1000, 1001, 1002, 1007, 1009, 1012, *map(int, CloseCode)}
ERROR_CODES = frozenset(map(str, ErrorCode))
#: Longest that a connection may take to end: the handshake's deadline, or the flush's, and slack.
ENDED_S = 60.0
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Verdicts:
    """The frames sent, and how the connections ended."""

    frames: int = 0
    connections: int = 0
    codes: Counter[int] = field(default_factory=Counter)
    """Connections by close code; 1006 means that a connection ended without one."""
    refused: Counter[int] = field(default_factory=Counter)
    """Failed handshakes by HTTP status; 0 if there was no response."""
    errors: Counter[str] = field(default_factory=Counter)
    """Error codes in messages."""
    hung: int = 0
    wrong: list[str] = field(default_factory=list)
    """The server's breaches of the protocol."""


class _Peer(asyncio.Protocol):
    """Reads everything; knows when the server has closed the connection."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.answered = asyncio.Event()
        """Set once the handshake has a response, or cannot get one."""
        self.gone = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.got += data
        if not self.answered.is_set() and b"\r\n\r\n" in self.got:
            self.answered.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.answered.set()
        self.gone.set()


async def fuzz(
    port: int, tokens: list[str], event: str, *, seed: int, frames: int, sockets: int = 16
) -> Verdicts:
    """Send ``frames`` frames, or a few more, over ``sockets`` connections at a time."""
    found = Verdicts()

    async def tell(number: int) -> None:
        rng = random.Random(f"{seed}/{number}")
        while found.frames < frames:
            told = story(rng, tokens, event)
            found.frames += told.frames
            found.connections += 1
            await _tell(port, told, rng, found)

    async with asyncio.TaskGroup() as group:
        for number in range(sockets):
            group.create_task(tell(number))
    return found


async def _tell(port: int, told: Story, rng: random.Random, found: Verdicts) -> None:
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_connection(_Peer, "127.0.0.1", port)
    try:
        transport.write(told.request)
        if told.upgrades:
            # Frames before the response would be a violation of their own.
            async with asyncio.timeout(ENDED_S):
                await peer.answered.wait()
        for data in _cut(rng, told.said):
            transport.write(data)
            if rng.random() < 0.2:
                await asyncio.sleep(0)
        if told.ending == "reset":
            await asyncio.sleep(0)
            # The server may have closed the socket already; a closed socket takes no option.
            if not transport.is_closing():
                plain: socket.socket = transport.get_extra_info("socket")
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
        elif told.ending == "half-close" or told.wild:
            transport.write_eof()
        async with asyncio.timeout(ENDED_S):
            await peer.gone.wait()
    except TimeoutError:
        found.hung += 1
        found.wrong.append(f"hung: {told.ending} {told.request[:80]!r} {told.said[-1:]!r}")
    finally:
        if not peer.gone.is_set():
            transport.abort()
    if told.ending != "reset":
        _judge(bytes(peer.got), told, found)


def _cut(rng: random.Random, said: list[bytes]) -> Iterator[bytes]:
    """The same bytes, split differently: byte by byte, all at once, or cut anywhere."""
    kind = rng.randrange(3)
    if kind == 0:
        yield from said
    elif kind == 1:
        yield b"".join(said)
    else:
        whole, at = b"".join(said), 0
        while at < len(whole):
            size = rng.randint(1, 6_000)
            yield whole[at : at + size]
            at += size


def _judge(got: bytes, told: Story, found: Verdicts) -> None:
    head, ended, rest = got.partition(b"\r\n\r\n")
    status = int(head[9:12]) if ended and head[:5] == b"HTTP/" else 0
    if told.upgrades and status != 101:
        found.wrong.append(f"a good upgrade got {head[:60]!r}")
        return
    if status != 101:
        found.refused[status] += 1
        if status >= 500:
            found.wrong.append(f"{status} for {told.request[:120]!r}")
        return
    code = _read(rest, found)
    found.codes[code] += 1
    echoed = told.closing is not None and code == told.closing
    unsaid = code == 1006 and (told.wild or told.ending == "half-close" or not told.upgrades)
    if not (echoed or unsaid or code in DOCUMENTED):
        found.wrong.append(f"closed with {code} after {told.ending} {told.said[-1:]!r:.200}")


def _read(data: bytes, found: Verdicts) -> int:
    """Parse the server's frames; return the close code if the last one is a close."""
    code = 1006
    while data:
        if code != 1006:
            found.wrong.append(f"{data[:40]!r} behind a close frame")
            return code
        opcode, size, at = data[0], data[1] if len(data) > 1 else 0, 2
        if size == 126:
            size, at = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, at = int.from_bytes(data[2:10], "big"), 10
        payload = data[at : at + size]
        if len(payload) < size:
            return code  # cut short by an abort
        if opcode == 0x81:
            _messages(orjson.loads(payload), found)
        elif opcode == 0x88:
            code = int.from_bytes(payload[:2], "big") if payload else 1005
        elif opcode not in (0x89, 0x8A):
            found.wrong.append(f"a frame that begins with {opcode:#x}")
        data = data[at + size :]
    return code


def _messages(got: Any, found: Verdicts) -> None:
    for message in got if isinstance(got, list) else [got]:
        if message["type"] != "error":
            continue
        found.errors[message["code"]] += 1
        if message["code"] not in ERROR_CODES or message["code"] == "internal":
            found.wrong.append(f"{message}")
