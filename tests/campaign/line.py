"""One WebSocket of the campaign: a minimal client that records everything.

It implements only the parts of RFC 6455 that the server uses. So one process can read what two
nodes send to two hundred sockets.
"""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Protocol, cast

import orjson

from tests.model.history import Json, Operation, Stream

_HANDSHAKE = (
    b"GET /v1/socket HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ayes.v1\r\n\r\n"
)
_OF_ROOMS = frozenset(("snapshot", "resumed", "diff", "you", "unsubscribed"))
#: Maximum bytes of an answer to the upgrade; the server's has under 300.
_MAX_HEAD_BYTES = 8_192
#: The code of a connection that ended without a close frame.
ABNORMAL = 1006


class Address(Protocol):
    """The address of a node."""

    host: str
    port: int


class Shared:
    """Keeps and parses a message once if many sockets get the same bytes."""

    def __init__(self) -> None:
        self._diffs: dict[bytes, Json] = {}

    def parsed(self, payload: bytes) -> Json:
        """The parsed message, which must not be changed."""
        if not payload.startswith(b'{"type":"diff"'):
            message: Json = orjson.loads(payload)
            return message
        held = self._diffs.get(payload)
        if held is None:
            held = self._diffs[payload] = orjson.loads(payload)
        return held


class Line(asyncio.Protocol):
    """A connection from its start to its end; no other connection gets the same ``name``."""

    def __init__(self, name: str, user: str, shared: Shared, port: int) -> None:
        self.name, self.user = name, user
        self.streams: dict[str, Stream] = {}
        self.on_room: Callable[[Json], None] = lambda message: None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        self.code: int | None = None
        """The close code, once it is gone."""
        self.violations: list[str] = []
        self.is_deaf = False
        self._port = port
        self._shared = shared
        self._waiting: defaultdict[str, deque[tuple[asyncio.Future[Json | None], Operation | None]]]
        self._waiting = defaultdict(deque)
        self._buffer = b""
        self._parts: list[bytes] = []
        self._refs = 0
        self._transport: asyncio.Transport | None = None
        self._heard_at = time.monotonic()

    @property
    def is_asked(self) -> bool:
        """Whether a message that was sent here has no answer yet."""
        return bool(self._waiting)

    def silent_for(self) -> float:
        """Seconds since the last byte came."""
        return time.monotonic() - self._heard_at

    # Sending.

    async def ask(self, message: Json, patience: float) -> Json | None:
        """Send a request message; return its answer, or ``None`` if the line broke before it."""
        self._refs += 1
        ref = f"r{self._refs}"
        future = self._expect(ref, None)
        self._say(message | {"ref": ref})
        return await self._answered(future, patience)

    async def send(self, operation: Operation, patience: float) -> None:
        """Send a command and wait for its answer, which is stored in the operation."""
        future = self._expect(operation.command["id"], operation)
        operation.sent_at = time.monotonic()
        self._say(operation.command)
        if await self._answered(future, patience) is None and not self.gone.is_set():
            self.violations.append(f"{self.name}: no answer to {operation.command}")

    def abort(self) -> None:
        """Drop the connection without a close frame, as a lost radio link does."""
        if self._transport is not None:
            self._transport.abort()

    def go_deaf(self) -> None:
        """Stop reading and writing: a half-open connection."""
        if self._transport is not None and not self.gone.is_set():
            self.is_deaf = True
            self._transport.pause_reading()

    def _expect(self, key: str, operation: Operation | None) -> asyncio.Future[Json | None]:
        future: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        if self.gone.is_set():
            future.set_result(None)
        else:
            self._waiting[key].append((future, operation))
        return future

    async def _answered(self, future: asyncio.Future[Json | None], patience: float) -> Json | None:
        try:
            async with asyncio.timeout(patience):
                return await future
        except TimeoutError:
            return None

    def _say(self, message: Json) -> None:
        if self._transport is not None and not self.is_deaf and not self.gone.is_set():
            self._transport.write(_masked(0x81, orjson.dumps(message)))

    # Receiving.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_HANDSHAKE % self._port)

    def connection_lost(self, err: Exception | None) -> None:
        """Wake the waiting tasks."""
        self.code = self.code or ABNORMAL
        self.gone.set()
        for waiting in self._waiting.values():
            for future, _ in waiting:
                if not future.done():
                    future.set_result(None)
        self._waiting.clear()
        if not self.opened.done():
            self.opened.set_exception(ConnectionResetError("before the upgrade"))
            self.opened.exception()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived."""
        self._heard_at = time.monotonic()
        self._buffer += data
        if not self.opened.done():
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                if len(head) > _MAX_HEAD_BYTES:
                    self.abort()
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.abort()
                return
            self._buffer = rest
            self.opened.set_result(None)
        self._frames()

    def _frames(self) -> None:
        buffer, start, end = self._buffer, 0, len(self._buffer)
        while end - start >= 2:
            size, body = buffer[start + 1], start + 2
            if size == 126:
                body += 2
                size = int.from_bytes(buffer[start + 2 : body])
            elif size == 127:
                body += 8
                size = int.from_bytes(buffer[start + 2 : body])
            if end < body + size or body > end:
                break
            self._frame(buffer[start], buffer[body : body + size])
            start = body + size
        self._buffer = buffer[start:]

    def _frame(self, first: int, payload: bytes) -> None:
        assert self._transport is not None
        if first == 0x81:
            self._message(payload)
        elif first == 0x89:
            self._transport.write(_masked(0x8A, payload))
        elif first == 0x88:
            self.code = int.from_bytes(payload[:2]) if payload else 1005
            self._transport.write(_masked(0x88, payload[:2]))
            self._transport.close()
        else:
            self.violations.append(f"{self.name}: a frame that begins with {first:#x}")

    def _message(self, payload: bytes) -> None:
        message = self._shared.parsed(payload)
        kind = message["type"]
        key = message.get("id") or message.get("ref")
        if kind in _OF_ROOMS:
            self._hear(message)
        elif kind in ("bye", "heartbeat", "presence"):
            self.on_room(message)
            return
        if key is not None:
            self._take_answer(key, message)
        elif kind == "error":
            # The answer to a resume in ``hello`` has no ref.
            self.on_room(message)

    def _hear(self, message: Json) -> None:
        stream = self.streams.get(message["event"])
        if stream is None:
            stream = self.streams[message["event"]] = Stream(self.user, self.name)
        stream.messages.append(message)
        stream.heard_at.append(time.monotonic())
        self.on_room(message)

    def _take_answer(self, key: str, message: Json) -> None:
        waiting = self._waiting.get(key)
        if not waiting:
            self.violations.append(f"{self.name}: nobody waits for {message}")
            return
        future, operation = waiting.popleft()
        if not waiting:
            del self._waiting[key]
        if operation is not None:
            operation.answer, operation.answered_at = message, time.monotonic()
        if not future.done():
            future.set_result(message)


async def connect(name: str, user: str, shared: Shared, node: Address, patience: float) -> Line:
    """Open and upgrade a line, without saying hello; raises ``OSError`` or ``TimeoutError``."""
    loop = asyncio.get_running_loop()
    line = Line(name, user, shared, node.port)
    try:
        async with asyncio.timeout(patience):
            await loop.create_connection(lambda: line, node.host, node.port)
            await line.opened
    except BaseException:
        line.abort()
        raise
    return line


def _masked(first: int, payload: bytes) -> bytes:
    """A client's frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, 0x80 | size)
    else:
        head = struct.pack("!BBH", first, 0xFE, size)
    mask = os.urandom(4)
    key = (mask * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload) ^ int.from_bytes(key)).to_bytes(size)
    return head + mask + body
