"""A server that speaks HTTP alone, and answers each request as the test's script says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

Message: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A request, and the number of its connection."""

    method: str
    path: str
    token: str
    message: Message
    connection: int


#: Answers a request with a message; ``None`` cuts the connection without an answer.
Answering: TypeAlias = Callable[[Request], Awaitable[Message | None]]


class ScriptedServer:
    """Welcomes each client, streams silence, and leaves commands to ``on_command``."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Request] = []
        self.on_command: Answering = acknowledged
        self.on_hello: Answering = self._welcome
        self.heartbeat_ms = 20_000
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
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
                    await reader.read()
                    return
                answer = await self._answer(request)
                if answer is None:
                    return
                body = orjson.dumps(answer)
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _answer(self, request: Request) -> Message | None:
        if request.path == "/v1/commands":
            return await self.on_command(request)
        message = request.message
        if message["type"] == "hello":
            return await self.on_hello(request)
        if message["type"] == "command.status":
            commands = [{"id": id, "state": "absent"} for id in message["ids"]]
            return {"type": "status", "ref": message["ref"], "commands": commands}
        return {"type": "events", "ref": message.get("ref"), "events": []}

    async def _welcome(self, request: Request) -> Message:
        user = {"id": "ada", "name": "Ada"}
        beat = self.heartbeat_ms
        time = "2026-11-23T08:00:00.000Z"
        return {"type": "welcome", "user": user, "heartbeat_ms": beat, "limits": {}, "time": time}


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
    return Request(method, target.partition("?")[0], given, message, connection)


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
        server.close()
        await listener.wait_closed()
