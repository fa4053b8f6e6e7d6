"""A peer that sends any bytes, and reads only at the test's request."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from typing import Protocol

#: Far longer than any step of these tests, so that a hang fails as a wait of its own.
SOON = 30.0


class Listening(Protocol):
    """A server that listens on loopback."""

    port: int


def masked(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """A client's frame."""
    first = (0x80 if fin else 0) | rsv | opcode
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, 0xFE, size)
    else:
        head = struct.pack("!BBQ", first, 0xFF, size)
    mask = os.urandom(4)
    key = (mask * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
    return head + mask + body


CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

HANDSHAKE = (
    b"Host: ayes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
    + base64.b64encode(bytes(16))
    + b"\r\nSec-WebSocket-Version: 13\r\n"
)


class Raw:
    """A raw connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()
        self._rest = b""

    async def say(self, data: bytes) -> None:
        """Send all of it."""
        async with asyncio.timeout(SOON):
            await self._loop.sock_sendall(self.sock, data)

    async def say_until_gone(self, data: bytes) -> int:
        """Send again and again until the server closes; return how many bytes it took."""
        said = 0
        with contextlib.suppress(ConnectionError):
            while True:
                await self.say(data)
                said += len(data)
        return said

    async def hear(self, most: int = 65_536) -> bytes:
        """The bytes that are there; empty at the end, reset or not."""
        async with asyncio.timeout(SOON):
            try:
                return await self._loop.sock_recv(self.sock, most)
            except ConnectionError:
                return b""

    async def hear_all(self) -> bytes:
        """All bytes up to the end."""
        got, self._rest = self._rest, b""
        while data := await self.hear():
            got += data
        return got

    async def head(self) -> bytes:
        """A response's header."""
        while b"\r\n\r\n" not in self._rest:
            data = await self.hear()
            assert data, self._rest
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head

    async def frames(self) -> list[tuple[int, bytes]]:
        """The server's frames up to the end, each an opcode and a payload."""
        data = await self.hear_all()
        found = []
        while len(data) >= 2:
            size, at = data[1], 2
            if size == 126:
                size, at = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, at = int.from_bytes(data[2:10], "big"), 10
            found.append((data[0] & 15, data[at : at + size]))
            data = data[at + size :]
        return found

    async def verdict(self) -> int:
        """The code in the close frame, which must be the last frame; 1006 without one."""
        frames = await self.frames()
        if not frames or frames[-1][0] != CLOSE:
            return 1006
        return int.from_bytes(frames[-1][1][:2], "big")


@contextlib.asynccontextmanager
async def raw(
    served: Listening, path: str | None = None, *, deaf: bool = False
) -> AsyncIterator[Raw]:
    """A peer; with a path, after the handshake."""
    with socket.socket() as sock:
        if deaf:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", served.port))
        peer = Raw(sock)
        if path is not None:
            await peer.say(b"GET " + path.encode() + b" HTTP/1.1\r\n" + HANDSHAKE + b"\r\n")
            assert b" 101 " in await peer.head()
        yield peer
