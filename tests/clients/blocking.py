"""A proxy that lets plain HTTP through, but no WebSockets."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Literal

from tests.clients.line import Line, laid

#: ``refuse``: the upgrade gets an HTTP status. ``strip``: the upgrade's headers do not arrive.
#: ``cut``: the connection ends during the handshake. ``welcome``: it ends right after the welcome.
#: ``pass``: everything goes through.
How = Literal["refuse", "strip", "cut", "welcome", "pass"]


class BlockingLine(Line):
    """A proxy that treats upgrades according to ``how``."""

    how: How = "refuse"
    blocked = 0
    """Upgrades that were blocked."""

    @property
    def base(self) -> str:
        """The server's address through this proxy."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await self._read_head(reader, writer)
        if head is None:
            return
        upgrade = b"upgrade: websocket" in head.lower()
        if not upgrade or self.how == "pass":
            await self._relay(head, reader, writer)
            return
        self.blocked += 1
        if self.how == "refuse":
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nno ws\n")
            writer.close()
        elif self.how == "strip":
            lines = [
                line
                for line in head.split(b"\r\n")
                if not line.lower().startswith((b"upgrade:", b"connection:", b"sec-websocket"))
            ]
            await self._relay(b"\r\n".join(lines), reader, writer)
        elif self.how == "cut":
            writer.transport.abort()
        else:
            await self._relay(head, reader, writer, cut_after=b'"welcome"')

    async def _read_head(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes | None:
        """Return a request with its headers; end the connection if it sends none."""
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, OSError):
            writer.transport.abort()
            return None

    async def _relay(
        self,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        cut_after: bytes | None = None,
    ) -> None:
        relayed = asyncio.StreamReader()
        relayed.feed_data(head)
        forwarding = asyncio.create_task(self._forward(reader, relayed))
        if cut_after is not None:
            watched = _Watched(writer, cut_after)
            writer = watched  # type: ignore[assignment]
        try:
            await super()._serve(relayed, writer)
        finally:
            forwarding.cancel()
            await asyncio.gather(forwarding, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, to: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(65_536):
                to.feed_data(data)
        except OSError:
            pass
        to.feed_eof()


class _Watched:
    """A writer that breaks its connection after some bytes have passed."""

    def __init__(self, writer: asyncio.StreamWriter, after: bytes) -> None:
        self._writer = writer
        self._after = after
        self._ending = False

    def write(self, data: bytes) -> None:
        if self._ending:
            self._writer.transport.abort()
            return
        self._writer.write(data)
        self._ending = self._after in data

    async def drain(self) -> None:
        await self._writer.drain()
        if self._ending:
            self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()

    @property
    def transport(self) -> asyncio.WriteTransport:
        return self._writer.transport


def blocking_line_to(port: int) -> AbstractAsyncContextManager[BlockingLine]:
    """A proxy before the server at ``port`` of loopback that lets no WebSocket through."""
    return laid(BlockingLine(port))
