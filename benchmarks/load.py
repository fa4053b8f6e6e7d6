"""A client of the wire protocol that costs as little as Python allows.

The load shares the machine with what it measures, so this speaks just enough WebSocket (RFC 6455)
for the Ayes protocol: text frames out, text, ping and close in. Frames are masked with a key of
zero, which is valid, costs the server the same, and the client nothing.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from collections.abc import Callable
from typing import Any, Self, TypeAlias

import orjson

Message: TypeAlias = dict[str, Any]

#: Longest wait for an answer outside the measured stretches.
ANSWER_TIMEOUT_S = 60.0

_TEXT, _PING, _PONG, _CLOSE = 0x1, 0x9, 0xA, 0x8
_NO_MASK = bytes(4)


class RefusedError(RuntimeError):
    """The server answered with an ``error``."""

    def __init__(self, message: Message) -> None:
        self.code: str = message["code"]
        super().__init__(f"{message['code']}: {message.get('message')} {message.get('details')}")


class ClosedError(RuntimeError):
    """The socket is closed; the message has the close code if there was one."""


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """A whole client frame."""
    length = len(payload)
    if length < 126:
        head = bytes((0x80 | opcode, 0x80 | length))
    elif length < 65_536:
        head = bytes((0x80 | opcode, 0xFE)) + length.to_bytes(2)
    else:
        head = bytes((0x80 | opcode, 0xFF)) + length.to_bytes(8)
    return head + _NO_MASK + payload


class Client(asyncio.Protocol):
    """A client with one socket; made by ``connect``.

    ``listener`` gets every message that no ``command`` or ``request`` waits for; ``after_read``
    runs once per read from the socket, after its messages.
    """

    def __init__(self) -> None:
        self.listener: Callable[[Message], None] = lambda message: None
        self.after_read: Callable[[], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        self.frames_in = 0
        self.bytes_in = 0
        self.closed: ClosedError | None = None
        self._transport: asyncio.Transport
        self._rest = b""
        self._parts: list[bytes] = []
        self._upgraded: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._numbers = itertools.count(1)
        self._prefix = f"setup-{os.urandom(6).hex()}-"

    @classmethod
    async def silent(cls, host: str, port: int) -> Self:
        """Open a socket and say nothing."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, host, port)
        await client._upgrade(host, port)
        return client

    @classmethod
    async def connect(cls, host: str, port: int, token: str) -> Self:
        """Open a socket and say hello; returns after ``welcome``."""
        client = await cls.silent(host, port)
        welcome = client._expect("welcome")
        client.send({"type": "hello", "token": token})
        await asyncio.wait_for(welcome, ANSWER_TIMEOUT_S)
        return client

    @classmethod
    async def resumed(cls, host: str, port: int, token: str, resume: list[Message]) -> Self:
        """Open a socket, and resume in the hello; returns when the missed steps are there."""
        client = await cls.silent(host, port)
        answer = client._expect("resumed")
        client.send({"type": "hello", "token": token, "resume": resume})
        await asyncio.wait_for(answer, ANSWER_TIMEOUT_S)
        return client

    async def command(self, type_: str, **arguments: Any) -> Message:
        """Send a command and wait for its ack; raises ``RefusedError``."""
        return await self._ask({"type": type_, **arguments}, "id")

    async def request(self, type_: str, **arguments: Any) -> Message:
        """Send a request message or a query and wait for its answer; raises ``RefusedError``."""
        return await self._ask({"type": type_, **arguments}, "ref")

    async def commands(self, messages: list[Message], *, batch: int = 256) -> list[Message]:
        """Send many commands in batches, one batch at a time; their acks in the same order."""
        acks: list[Message] = []
        for chunk in _chunks(messages, batch):
            waits = []
            for message in chunk:
                message["id"] = f"{self._prefix}{next(self._numbers)}"
                waits.append(self._expect(message["id"]))
            self.write(frame(orjson.dumps(chunk)))
            acks += await asyncio.wait_for(asyncio.gather(*waits), ANSWER_TIMEOUT_S)
        return acks

    def send(self, message: Message) -> None:
        """Send one message in a frame."""
        self.write(frame(orjson.dumps(message)))

    def write(self, data: bytes) -> None:
        """Write frames that are ready."""
        self._transport.write(data)

    def close(self) -> None:
        """Drop the connection."""
        self.on_lost = None
        self._transport.abort()

    def _expect(self, key: str) -> asyncio.Future[Message]:
        if self.closed:
            raise self.closed
        future = asyncio.get_running_loop().create_future()
        self._answers[key] = future
        return future

    async def _ask(self, message: Message, key: str) -> Message:
        message[key] = f"{self._prefix}{next(self._numbers)}"
        answer = self._expect(message[key])
        self.send(message)
        return await asyncio.wait_for(answer, ANSWER_TIMEOUT_S)

    async def _upgrade(self, host: str, port: int) -> None:
        assert self._upgraded is not None
        key = base64.b64encode(os.urandom(16)).decode()
        self.write(
            f"GET /v1/socket HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ayes.v1\r\n\r\n".encode()
        )
        await asyncio.wait_for(self._upgraded, ANSWER_TIMEOUT_S)
        self._upgraded = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP one, always

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = self.closed or ClosedError(f"connection lost: {exc}")
        if self._upgraded and not self._upgraded.done():
            self._upgraded.set_exception(self.closed)
        for future in self._answers.values():
            if not future.done():
                future.set_exception(self.closed)
        if self.on_lost:
            self.on_lost()

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        position = 0
        if self._upgraded and not self._upgraded.done():
            position = self._read_upgrade(data)
        end = len(data)
        while end - position >= 2:
            length = data[position + 1]
            start = position + 2
            if length == 126:
                start += 2
                length = int.from_bytes(data[position + 2 : start])
            elif length == 127:
                start += 8
                length = int.from_bytes(data[position + 2 : start])
            if end < start + length:
                break
            self._read_frame(data[position], data[start : start + length])
            position = start + length
        self._rest = data[position:]
        self.bytes_in += position
        if self.after_read:
            self.after_read()

    def _read_upgrade(self, data: bytes) -> int:
        head, found, _ = data.partition(b"\r\n\r\n")
        if not found:
            return 0
        assert self._upgraded is not None
        if head.split(b" ", 2)[1] == b"101":
            self._upgraded.set_result(None)
        else:
            self._upgraded.set_exception(ClosedError(head.split(b"\r\n", 1)[0].decode()))
        return len(head) + 4

    def _read_frame(self, first: int, payload: bytes) -> None:
        opcode = first & 0xF
        if opcode > 7:
            if opcode == _PING:
                self.write(frame(payload, _PONG))
            elif opcode == _CLOSE:
                reason = payload[2:].decode(errors="replace")
                self.closed = ClosedError(f"closed: {int.from_bytes(payload[:2])} {reason}")
                self._transport.close()
            return
        if first != 0x80 | _TEXT:
            self._parts.append(payload)
            if not first & 0x80:
                return
            payload = b"".join(self._parts)
            self._parts.clear()
        self.frames_in += 1
        decoded = orjson.loads(payload)
        if isinstance(decoded, dict):
            self._read_message(decoded)
        else:
            for message in decoded:
                self._read_message(message)

    def _read_message(self, message: Message) -> None:
        if self._answers:
            key = message.get("id") or message.get("ref") or message["type"]
            future = self._answers.pop(key, None)
            if future is not None:
                if future.done():
                    return
                if message["type"] == "error":
                    future.set_exception(RefusedError(message))
                else:
                    future.set_result(message)
                return
        self.listener(message)


def _chunks(messages: list[Message], size: int) -> list[list[Message]]:
    return [messages[start : start + size] for start in range(0, len(messages), size)]
