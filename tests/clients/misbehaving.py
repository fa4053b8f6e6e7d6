"""A server that follows a test's script, and records what it receives."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import websockets
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from tests.clients.driving import PATIENCE
from tests.transcripts.matching import Mismatch

Json: TypeAlias = Any
Message: TypeAlias = dict[str, Any]

#: Messages that keep the line alive; answered at once, and expected nowhere.
KEEPING = frozenset({"ping"})


@dataclass(frozen=True)
class Heard:
    """A message, when it came, and in which frame of its socket (one frame may hold several)."""

    message: Message
    at: float
    frame: int


class Socket:
    """A client's connection, on the server's side."""

    def __init__(self, link: ServerConnection) -> None:
        self._link = link
        self.heard: deque[Heard] = deque()
        """Messages that no test has read yet."""
        self.moved = asyncio.Event()
        self.gone = asyncio.Event()
        self._frames = 0

    async def read(self) -> None:
        """Receive until the end."""
        try:
            async for text in self._link:
                self._frames += 1
                got = json.loads(text)
                for message in got if isinstance(got, list) else [got]:
                    if message["type"] in KEEPING:
                        answer = {"type": "pong", "time": "2026-11-23T08:00:00.000Z"}
                        await self.say(answer | {k: message[k] for k in message.keys() & {"ref"}})
                    else:
                        self.heard.append(Heard(message, time.monotonic(), self._frames))
                self.moved.set()
        except websockets.ConnectionClosed:
            pass
        self.gone.set()
        self.moved.set()

    async def say(self, payload: Json) -> None:
        """Send a message or an array of them; text and bytes as they are."""
        if not isinstance(payload, str | bytes):
            payload = json.dumps(payload)
        # A client that has given up receives nothing; the tests look at its next act instead.
        with suppress(websockets.ConnectionClosed):
            await self._link.send(payload)

    async def close(self, code: int) -> None:
        """Close properly."""
        await self._link.close(code)

    def drop(self) -> None:
        """Drop the connection without a close frame."""
        self._link.transport.abort()

    async def hear(self) -> Heard:
        """The next message."""
        await until(lambda: bool(self.heard), self.moved, "a message")
        return self.heard.popleft()


class Misbehaving:
    """Waits for connections; the script handles each."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self._port = 0
        self.waiting: deque[tuple[Socket, float]] = deque()
        """Connections that no test has read yet, and when they came."""
        self.sockets: list[Socket] = []
        self._moved = asyncio.Event()

    @property
    def url(self) -> str:
        """The same address after a restart."""
        return f"ws://127.0.0.1:{self._port}/v1/socket"

    async def listen(self) -> None:
        """Listen; after ``leave``, on the same port again."""
        self._server = await serve(
            self._handle,
            "127.0.0.1",
            self._port,
            subprotocols=[Subprotocol("ayes.v1")],
            ping_interval=None,
            compression=None,
            max_size=None,
            max_queue=None,
            close_timeout=1,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]

    async def leave(self) -> None:
        """Stop: cut every socket and close the port."""
        assert self._server is not None
        for socket in self.sockets:
            socket.drop()
        self._server.close(close_connections=False)
        await self._server.wait_closed()

    async def accept(self) -> tuple[Socket, float]:
        """The next connection, and when it came."""
        await until(lambda: bool(self.waiting), self._moved, "a connection")
        return self.waiting.popleft()

    def left(self) -> list[Message]:
        """Messages that were received and that no test expected."""
        return [heard.message for socket in self.sockets for heard in socket.heard]

    async def _handle(self, link: ServerConnection) -> None:
        socket = Socket(link)
        self.sockets.append(socket)
        self.waiting.append((socket, time.monotonic()))
        self._moved.set()
        await socket.read()


async def until(condition: Callable[[], bool], moved: asyncio.Event, what: str) -> None:
    """Wait until ``condition`` holds; it is tested whenever ``moved`` is set."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                moved.clear()
                await moved.wait()
    except TimeoutError:
        raise Mismatch(f"{what} never came") from None


@asynccontextmanager
async def misbehaving() -> AsyncIterator[Misbehaving]:
    """A misbehaving server on a free port."""
    server = Misbehaving()
    await server.listen()
    try:
        yield server
    finally:
        await server.leave()
