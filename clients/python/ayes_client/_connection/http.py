"""A small HTTP/1.1 client over asyncio (RFC 9112), for networks that let no WebSocket through.

It sends what the client needs and nothing else: requests with a body in memory, and responses that
are read whole or as a stream. It follows no redirect, since the token would go along.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from ayes_client._wire.address import origin
from ayes_client._wire.proxy import is_socks, proxy_for

#: Seconds for a connection, its proxy and its TLS. Beyond, the request fails.
CONNECT_TIMEOUT_S = 10.0
#: Seconds for a whole response. The server answers a command within 15 s. Beyond, the request
#: fails.
REQUEST_TIMEOUT_S = 20.0
#: Bytes of a response's head, and of the line before a chunk. Beyond, the request fails: no server
#: needs as many.
MAX_HEAD_BYTES = 65_536
#: Bytes of a response that is read whole. Beyond, the request fails; a page of the server has some
#: MB.
MAX_BODY_BYTES = 64 * 1024 * 1024
#: Bytes that are read at a time.
PIECE_BYTES = 65_536
#: Connections that are kept for the next request. Beyond, they are closed: requests share them in
#: turn.
MAX_IDLE_CONNECTIONS = 6
#: Longest delay that is taken from a ``Retry-After`` of another program, in seconds.
MAX_FOREIGN_DELAY_S = 300.0


class HttpError(OSError):
    """The other side does not speak HTTP as it should."""


class NotTheServer(OSError):
    """Another program has answered, such as a proxy. It decides nothing.

    ``retry_after``: seconds that it asked for.
    """

    def __init__(self, response: Response, why: str) -> None:
        super().__init__(why)
        asked = response.headers.get("retry-after", "")
        digits = asked.isascii() and asked.isdigit()
        self.retry_after = min(float(asked), MAX_FOREIGN_DELAY_S) if digits else None


@dataclass(slots=True)
class Response:
    """The head of a response, and its body if that was read whole."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    http11: bool = True


class _Link:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def close(self) -> None:
        self.writer.transport.abort()


class HttpClient:
    """Requests to one server. ``url``: the server's address, with its path."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        _, self._host, port = origin(url)
        self._port = port or 80
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else None
        self._proxy: SplitResult | None = None
        self._idle: list[_Link] = []

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes = b"",
        *,
        resend: bool = True,
        fresh: bool = False,
    ) -> Response:
        """Send a request, and read its response. Raises ``OSError`` and ``TimeoutError``.

        ``resend``: write it again if a connection that was kept breaks, so that it must have the
        same effect once and twice. ``fresh``: use no connection that was kept.
        """
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            while not fresh and (link := self._take_idle()) is not None:
                try:
                    return await self._exchange(link, method, path, headers, body)
                except OSError:
                    # It may have been closed while it was idle.
                    if not resend:
                        raise
            return await self._exchange(await self._connect(), method, path, headers, body)

    def _take_idle(self) -> _Link | None:
        """Return a kept connection that the other side has not closed, as far as is known."""
        while self._idle:
            link = self._idle.pop()
            if not link.reader.at_eof() and not link.writer.is_closing():
                return link
            link.close()
        return None

    async def _exchange(
        self, link: _Link, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> Response:
        whole = False
        try:
            await self._send(link, method, path, headers, body)
            response = await self._read_head(link)
            await self.read_whole(response, self._read_body(link, response))
            whole = True
        except asyncio.IncompleteReadError as err:
            raise HttpError("the connection broke during a response") from err
        finally:
            if not whole:
                link.close()
        if _keeps_alive(response) and len(self._idle) < MAX_IDLE_CONNECTIONS:
            self._idle.append(link)
        else:
            link.close()
        return response

    async def read_whole(self, response: Response, pieces: AsyncIterator[bytes]) -> None:
        """Set the body of ``response`` to all of its pieces.

        Raises ``HttpError`` if that is too long.
        """
        body = bytearray()
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            async for piece in pieces:
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    raise HttpError("the response is too long")
        response.body = bytes(body)

    @asynccontextmanager
    async def stream(
        self, path: str, headers: dict[str, str]
    ) -> AsyncIterator[tuple[Response, AsyncIterator[bytes]]]:
        """Send a GET, and give its response with the pieces of its body as they come.

        Raises ``HttpError`` if the connection breaks before the response.
        """
        async with asyncio.timeout(CONNECT_TIMEOUT_S + REQUEST_TIMEOUT_S):
            link = await self._connect()
            try:
                await self._send(link, "GET", path, headers, b"")
                response = await self._read_head(link)
            except asyncio.IncompleteReadError as err:
                link.close()
                raise HttpError("the connection broke before a response") from err
            except BaseException:
                link.close()
                raise
        try:
            yield response, self._read_body(link, response)
        finally:
            link.close()

    # One connection.

    async def _connect(self) -> _Link:
        try:
            return await self._try_connect()
        except ssl.SSLCertVerificationError as err:
            # It is a ValueError too, and must not pass for an answer that cannot be read.
            raise HttpError(str(err)) from err

    async def _try_connect(self) -> _Link:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            self._proxy = proxy = self._find_proxy()
            if proxy is None:
                return _Link(
                    *await asyncio.open_connection(
                        self._host, self._port, ssl=self._tls, limit=MAX_HEAD_BYTES
                    )
                )
            tls = ssl.create_default_context() if proxy.scheme == "https" else None
            port = proxy.port or (443 if tls else 80)
            link = _Link(
                *await asyncio.open_connection(proxy.hostname, port, ssl=tls, limit=MAX_HEAD_BYTES)
            )
            if self._tls is not None:
                try:
                    await self._open_tunnel(link, proxy)
                except BaseException:
                    link.close()
                    raise
            return link

    def _find_proxy(self) -> SplitResult | None:
        proxy = proxy_for(self._url.geturl())
        if proxy is not None and is_socks(proxy):
            raise HttpError("there is no way over HTTP through a SOCKS proxy")
        return None if proxy is None else urlsplit(proxy)

    async def _open_tunnel(self, link: _Link, proxy: SplitResult) -> None:
        host = f"[{self._host}]" if ":" in self._host else self._host
        target = f"{host}:{self._port}"
        head = [f"CONNECT {target} HTTP/1.1", f"Host: {target}", *_proxy_authorization(proxy)]
        link.writer.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        response = await self._read_head(link)
        if response.status != 200:
            raise HttpError(f"the proxy answers {response.status}")
        # A tunnel is opened for https alone.
        assert self._tls is not None
        await link.writer.start_tls(self._tls, server_hostname=self._host)

    async def _send(
        self, link: _Link, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> None:
        target = self._url.path + path
        lines = [f"Host: {self._url.netloc}"]
        if self._proxy is not None and self._tls is None:
            target = f"http://{self._url.netloc}{target}"
            lines += _proxy_authorization(self._proxy)
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", ""])
        link.writer.write(head.encode("latin-1") + body)
        await link.writer.drain()

    async def _read_head(self, link: _Link) -> Response:
        while True:
            try:
                head = await link.reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError as err:
                raise HttpError("the response has no end of its head") from err
            status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
            version, _, rest = status_line.partition(" ")
            code = rest[:3]
            if not version.startswith("HTTP/1.") or not code.isdigit():
                raise HttpError("the other side does not speak HTTP")
            if code.startswith("1"):
                # 100 Continue, 103 Early Hints: the response itself follows.
                continue
            headers: dict[str, str] = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            return Response(int(code), headers, http11=version != "HTTP/1.0")

    async def _read_body(self, link: _Link, response: Response) -> AsyncIterator[bytes]:
        headers, reader = response.headers, link.reader
        if response.status in (204, 304):
            return
        if headers.get("transfer-encoding", "").lower().endswith("chunked"):
            while size := await self._read_chunk_size(reader):
                async for piece in self._read_pieces(reader, size):
                    yield piece
                await reader.readexactly(2)
            while await reader.readuntil(b"\r\n") != b"\r\n":
                pass
        elif (length := headers.get("content-length")) is not None:
            async for piece in self._read_pieces(reader, int(length)):
                yield piece
        else:
            while piece := await reader.read(PIECE_BYTES):
                yield piece

    async def _read_pieces(self, reader: asyncio.StreamReader, left: int) -> AsyncIterator[bytes]:
        while left:
            piece = await reader.read(min(left, PIECE_BYTES))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece

    async def _read_chunk_size(self, reader: asyncio.StreamReader) -> int:
        line = await reader.readuntil(b"\r\n")
        try:
            return int(line.partition(b";")[0], 16)
        except ValueError as err:
            raise HttpError("a chunk has no size") from err


def _proxy_authorization(proxy: SplitResult) -> list[str]:
    if proxy.username is None:
        return []
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return [f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}"]


def _keeps_alive(response: Response) -> bool:
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    closes = "close" in response.headers.get("connection", "").lower()
    return response.http11 and framed and not closes
