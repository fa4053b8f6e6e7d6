"""A server that speaks HTTP alone, and answers each request as the test's script says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

Message: TypeAlias = dict[str, Any]

TIME = "2026-11-23T08:00:00.000Z"


@dataclass(frozen=True)
class Request:
    """A request, and the number of its connection."""

    method: str
    path: str
    token: str
    message: Message
    connection: int
    position: str = ""
    """``Last-Event-ID`` of a stream."""


#: Answers a request with a message, or with the bytes of a response. ``None`` cuts the connection
#: without an answer.
Answering: TypeAlias = Callable[[Request], Awaitable[Message | bytes | None]]
#: Writes the response to the request for a stream, and returns when it is to be cut.
Streaming: TypeAlias = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


class ScriptedServer:
    """Welcomes each client, streams silence, and leaves commands to ``on_command``."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.on_command: Answering = acknowledged
        self.on_hello: Answering = self._welcome
        self.on_ping: Answering = _pong
        self.on_query: Answering = self._answered
        self.on_snapshot: Answering = self._answered
        self.on_stream: Streaming | None = None
        """``None``: silence."""
        self.heartbeat_ms = 20_000
        self.ended = asyncio.Event()
        """Set at the end: a stream that is held open waits for it."""
        self._connections = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def of(self, path: str) -> list[Request]:
        """The requests for ``path``, in the order of their arrival."""
        return [request for request in self.requests if request.path == path]

    def close(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self._connections += 1
        number = self._connections
        self._writers.add(writer)
        try:
            while True:
                request = await _read(reader, number)
                self.requests.append(request)
                if request.path.endswith("/stream"):
                    if self.on_stream is not None:
                        await self.on_stream(request, writer)
                        await writer.drain()
                        writer.close()
                        return
                    writer.write(STREAM_HEAD)
                    await reader.read()
                    return
                answer = await self._answer(request)
                if answer is None:
                    return
                if isinstance(answer, bytes):
                    writer.write(answer)
                    if b"\r\nConnection: close\r\n" in answer:
                        writer.close()
                        return
                else:
                    writer.write(response(200, orjson.dumps(answer), close=False))
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, request: Request) -> Message | bytes | None:
        if request.path == "/v1/commands":
            return await self.on_command(request)
        if request.path != "/v1/queries":
            return await self.on_snapshot(request)
        if request.message["type"] == "hello":
            return await self.on_hello(request)
        if request.message["type"] == "ping":
            return await self.on_ping(request)
        return await self.on_query(request)

    async def _answered(self, request: Request) -> Message:
        message = request.message
        if message.get("type") == "command.status":
            commands = [{"id": id, "state": "absent"} for id in message["ids"]]
            return {"type": "status", "ref": message["ref"], "commands": commands}
        return {"type": "events", "ref": message.get("ref"), "events": []}

    async def _welcome(self, request: Request) -> Message:
        user = {"id": "ada", "name": "Ada"}
        beat = self.heartbeat_ms
        return {"type": "welcome", "user": user, "heartbeat_ms": beat, "limits": {}, "time": TIME}


async def _pong(request: Request) -> Message:
    return {"type": "pong", "time": TIME}


def response(
    status: int, body: bytes, kind: str = "application/json", *headers: str, close: bool = True
) -> bytes:
    """A whole response. ``headers``: more lines of its head."""
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
    lines += [*headers, *(["Connection: close"] if close else [])]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def acknowledged(request: Request) -> Message:
    """The ack of a command."""
    event = request.message.get("event", "e")
    return {"type": "ack", "id": request.message["id"], "event": event, "seq": 1, "hash": "",
            "applied": True, "replayed": False, "result": {}}  # fmt: skip


def refused(code: str, retry: str, effect: str = "none", **more: Any) -> Message:
    """An error of the server."""
    return {"type": "error", "code": code, "retry": retry, "effect": effect, "message": "…",
            "details": {}, **more}  # fmt: skip


async def _read(reader: asyncio.StreamReader, connection: int) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")[:-2]
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    given = headers.get("authorization", "").removeprefix("Bearer ")
    message = orjson.loads(body) if body else {}
    position = headers.get("last-event-id", "")
    return Request(method, target.partition("?")[0], given, message, connection, position)


@asynccontextmanager
async def scripted() -> AsyncIterator[ScriptedServer]:
    """A scripted server on a free port."""
    server = ScriptedServer()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        server.ended.set()
        server.close()
        await listener.wait_closed()
