"""The line between a client and a server, which can be cut, held, or made to drop answers.

It can also block WebSockets, as the proxies of some offices and hotels do.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

#: Bytes passed on at a time.
CHUNK = 65_536
#: How a proxy blocks a WebSocket: refuse it, answer as to any request, cut it, never answer, or cut
#: it after the server's welcome.
BLOCKS = ("refuse", "downgrade", "cut", "swallow", "welcome-only")
_REFUSED = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_DOWNGRADED = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


class Line:
    """A TCP proxy. ``deaf``: the server's bytes are dropped, the client's bytes arrive."""

    def __init__(self, to_port: int) -> None:
        self.to_port = to_port
        self.port = 0
        self.deaf = False
        self.deaf_after: bytes | None = None
        """Bytes of the server after which the line turns deaf."""
        self.loses: set[bytes] = set()
        """Bytes of the server that the line loses, each once and with every connection."""
        self.down = False
        self.blocks: str | None = None
        """The way it blocks WebSockets, of ``BLOCKS``."""
        self.upgrades = 0
        """WebSockets that a client tried to open."""
        self.opened = 0
        """Connections so far."""
        self.heard = 0
        """Bytes that reached the server."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._lost = 0

    @property
    def url(self) -> str:
        """The server's address through this line."""
        return f"ws://127.0.0.1:{self.port}/v1/socket"

    def cut(self) -> None:
        """Break the present connections; new connections pass, unless the line is down."""
        for writer in tuple(self._writers):
            writer.transport.abort()
        self.deaf = False

    def lose(self) -> None:
        """Freeze the present connections: they stay open and pass nothing, as after a sleep."""
        self._lost = self.opened

    def break_down(self) -> None:
        """Break the present connections, and accept none until ``mend``."""
        self.down = True
        self.cut()

    def mend(self) -> None:
        """Take connections again."""
        self.down = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        head = await reader.read(CHUNK)
        is_upgrade = b"upgrade: websocket" in head.lower()
        self.upgrades += is_upgrade
        if is_upgrade and self.blocks not in (None, "welcome-only"):
            await self._block(writer)
            return
        self.opened += 1
        number = self.opened
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        self.heard += len(head)
        far_writer.write(head)
        cut = is_upgrade and self.blocks == "welcome-only"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far_writer, number, to_server=True))
                group.create_task(self._pass(far_reader, writer, number, to_server=False, cut=cut))
        except* OSError:
            pass
        finally:
            self._writers -= {writer, far_writer}
            writer.close()
            far_writer.close()

    async def _block(self, writer: asyncio.StreamWriter) -> None:
        if self.blocks == "swallow":
            self._writers.add(writer)
            return
        if self.blocks in ("refuse", "downgrade"):
            writer.write(_REFUSED if self.blocks == "refuse" else _DOWNGRADED)
            writer.close()
        else:
            writer.transport.abort()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        number: int,
        *,
        to_server: bool,
        cut: bool = False,
    ) -> None:
        while data := await reader.read(CHUNK):
            if number <= self._lost:
                continue
            if to_server:
                self.heard += len(data)
            elif self.deaf:
                continue
            elif lost := {mark for mark in self.loses if mark in data}:
                self.loses -= lost
                self.cut()
                continue
            elif self.deaf_after is not None and self.deaf_after in data:
                self.deaf = True
            writer.write(data)
            await writer.drain()
            if cut and b'"welcome"' in data:
                writer.transport.abort()
        with contextlib.suppress(OSError):
            writer.close()


_AnyLine = TypeVar("_AnyLine", bound=Line)


@asynccontextmanager
async def laid(line: _AnyLine) -> AsyncIterator[_AnyLine]:
    """The line, while it listens on a free port of loopback."""
    listener = await asyncio.start_server(line._serve, "127.0.0.1", 0)
    line.port = listener.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        line.break_down()
        listener.close()
        await listener.wait_closed()


def line_to(port: int) -> AbstractAsyncContextManager[Line]:
    """A line to the server at ``port`` of loopback."""
    return laid(Line(port))
