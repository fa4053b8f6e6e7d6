"""``/metrics`` on its own address, which public proxies do not forward to.

It implements HTTP/1.1 (RFC 9112) for one ``GET`` per connection. The server's own protocol classes
have budgets for clients, which Prometheus should not share.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from prometheus_client.exposition import CONTENT_TYPE_LATEST

#: Connections at once; further ones are closed. A few Prometheus servers need one each.
MAX_METRICS_CONNECTIONS = 16
#: Bytes of a request's header; with more, the connection is closed.
MAX_HEADER_BYTES = 8_192
#: Seconds for a request and its answer; then the connection is aborted.
METRICS_REQUEST_TIMEOUT_S = 5.0

_HEAD = (
    "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {size}\r\n"
    "cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
)


class MetricsPort:
    """Answers ``GET /metrics`` on ``listener`` with ``render()``, and other requests with 404."""

    def __init__(self, listener: socket.socket, render: Callable[[], Awaitable[bytes]]) -> None:
        self._listener = listener
        self._render = render
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Start accepting connections."""
        self._server = await asyncio.start_server(
            self._connected, sock=self._listener, limit=MAX_HEADER_BYTES
        )

    async def stop(self) -> None:
        """Close the listener; answers in flight have their own deadline."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self._listener.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= MAX_METRICS_CONNECTIONS:
            writer.transport.abort()
            return
        self._open += 1
        try:
            async with asyncio.timeout(METRICS_REQUEST_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head.partition(b"\r\n")[0]))
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, EOFError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._open -= 1

    async def _answer(self, line: bytes) -> bytes:
        method, _, rest = line.partition(b" ")
        target, _, version = rest.partition(b" ")
        if not version.startswith(b"HTTP/1."):
            return _response("400 Bad Request")
        if target.partition(b"?")[0] != b"/metrics":
            return _response("404 Not Found")
        if method not in (b"GET", b"HEAD"):
            return _response("405 Method Not Allowed")
        body = await self._render()
        answer = _response("200 OK", body, CONTENT_TYPE_LATEST)
        return answer if method == b"GET" else answer[: -len(body)]


def _response(status: str, body: bytes = b"", kind: str = "text/plain") -> bytes:
    return _HEAD.format(status=status, kind=kind, size=len(body)).encode() + body
