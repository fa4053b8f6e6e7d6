"""A TCP proxy before PostgreSQL that recognises one statement: COMMIT."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Mode = Literal["through", "before", "after", "frozen", "stopped"]

_COMMIT = b"COMMIT\x00"


class Proxy:
    """Passes bytes on, and fails at a COMMIT as the test orders.

    ``before``: the link breaks, the COMMIT never arrives. ``after``: it arrives, the answer does
    not. ``frozen``: it arrives, and nothing more passes on this link. ``stopped``: nor on any
    other.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._query = parse_qs(self._parts.query)
        self.mode: Mode = "through"
        self.cuts = 0
        """How many links were broken at a COMMIT so far."""
        self.host = "127.0.0.1"
        self.port = 0
        self._thawed = asyncio.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The database's address through this proxy."""
        user = self._parts.username or "ayes"
        secret = f":{self._parts.password}" if self._parts.password else ""
        return (
            f"postgresql://{user}{secret}@{self.host}:{self.port}{self._parts.path}?sslmode=disable"
        )

    def aim(self, url: str) -> None:
        """Let new links go to the database at ``url``."""
        self._parts = urlsplit(url)
        self._query = parse_qs(self._parts.query)

    def fail(self, mode: Mode) -> None:
        """Fail in this way at the next COMMIT, once."""
        self.mode = mode
        self._thawed.clear()

    def thaw(self) -> None:
        """Break frozen links, and accept new ones."""
        self._thawed.set()
        self._open.set()
        self._refusing = False

    def refuse(self) -> None:
        """Break every link, and accept none, until ``thaw``."""
        self._refusing = True
        for writer in tuple(self._writers):
            writer.transport.abort()

    def stop(self) -> None:
        """Pass nothing on any link, and let new ones hang, until ``thaw``."""
        self._open.clear()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host = unquote((self._query.get("host") or [self._parts.hostname or "127.0.0.1"])[0])
        port = int((self._query.get("port") or [str(self._parts.port or 5432)])[0])
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a link in both directions, until either end closes."""
        await self._open.wait()
        if self._refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            # No database there now: the next connection is closed at once.
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        link = _Link(self, writer, far_writer)
        ways = [
            asyncio.create_task(link.up(reader)),
            asyncio.create_task(link.down(far_reader)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            for end in (writer, far_writer):
                end.transport.abort()
                self._writers.discard(end)

    def close(self) -> None:
        """Break every link."""
        self.thaw()
        for writer in tuple(self._writers):
            writer.transport.abort()


class _Link:
    def __init__(self, proxy: Proxy, near: asyncio.StreamWriter, far: asyncio.StreamWriter) -> None:
        self.proxy = proxy
        self.near = near
        self.far = far
        self.failing: Mode = "through"

    async def up(self, reader: asyncio.StreamReader) -> None:
        """From the server under test to PostgreSQL."""
        proxy = self.proxy
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if _COMMIT in data and proxy.mode != "through":
                    self.failing, proxy.mode = proxy.mode, "through"
                    proxy.cuts += 1
                    if self.failing == "before":
                        return
                    if self.failing == "stopped":
                        proxy.stop()
                elif not proxy._open.is_set():
                    await proxy._thawed.wait()
                    return
                self.far.write(data)

    async def down(self, reader: asyncio.StreamReader) -> None:
        """From PostgreSQL to the server."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if self.failing == "after":
                    if _COMMIT in data:
                        return
                    continue
                if self.failing == "frozen" or not self.proxy._open.is_set():
                    await self.proxy._thawed.wait()
                    return
                self.near.write(data)


@asynccontextmanager
async def proxy_before(url: str, *, host: str = "127.0.0.1") -> AsyncIterator[Proxy]:
    """A proxy before the database at ``url``, which listens on ``host``."""
    proxy = Proxy(url)
    proxy.host = host
    server = await asyncio.start_server(proxy.serve, host, 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.close()
        await server.wait_closed()
