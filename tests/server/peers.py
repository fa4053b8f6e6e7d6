"""A real server behind the guard, with an application that keeps each message it receives."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
import uvloop
from websockets.asyncio.client import ClientConnection, connect

from server.transport.guard import EXTENSION, Budgets, GuardedConfig, SocketTransport, frame
from tests.server.raw import SOON, raw

Message = MutableMapping[str, Any]


def on_both_loops(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an asynchronous test on asyncio's loop and on uvloop's: their transports differ."""

    @pytest.mark.parametrize(
        "loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
    )
    def run(loop_factory: Callable[[], asyncio.AbstractEventLoop], **fixtures: Any) -> None:
        async def within() -> None:
            async with asyncio.timeout(30):
                await test(**fixtures)

        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(within())

    own = inspect.Parameter("loop_factory", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = inspect.signature(test, eval_str=False).parameters.values()
    functools.update_wrapper(run, test)
    del run.__dict__["__wrapped__"]
    vars(run)["__signature__"] = inspect.Signature([own, *wanted])
    made: Callable[..., None] = run
    return made


async def until(happened: Callable[[], object]) -> None:
    """Wait for a state of uvicorn, which has no event."""
    async with asyncio.timeout(SOON):
        while not happened():
            await asyncio.sleep(0.01)


class Recorder:
    """A receiver that keeps each message; ``answer`` decides how to treat a text."""

    def __init__(
        self, socket: SocketTransport, answer: Callable[[Recorder, bytes], None] | None = None
    ) -> None:
        self.socket = socket
        self.answer = answer
        self.texts: list[bytes] = []
        self.binaries = 0
        self.lives = 0
        self.writables = 0
        self.codes: list[int] = []
        self.after_closed = 0
        self._changed = asyncio.Event()

    def text(self, payload: bytes) -> None:
        self.texts.append(payload)
        self._note()
        if self.answer is not None:
            self.answer(self, payload)
        else:
            self.socket.send(frame(payload))

    def binary(self) -> None:
        self.binaries += 1
        self._note()

    def alive(self) -> None:
        self.lives += 1
        self._note()

    def writable(self) -> None:
        self.writables += 1
        self._note()

    def closed(self, code: int) -> None:
        self.codes.append(code)
        self._changed.set()

    def _note(self) -> None:
        if self.codes:
            self.after_closed += 1
        self._changed.set()

    async def until(self, happened: Callable[[Recorder], object]) -> None:
        """Wait for a call after which ``happened`` is true."""
        async with asyncio.timeout(SOON):
            while not happened(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_closed(self) -> int:
        """Wait for the end; return its code."""
        await self.until(lambda self: self.codes)
        return self.codes[0]


@dataclass
class Application:
    """The ASGI application of these tests. The path selects what it does."""

    answer: Callable[[Recorder, bytes], None] | None = None
    recorders: asyncio.Queue[Recorder] = field(default_factory=asyncio.Queue)
    disconnects: list[int] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    was_shut_down: bool = False

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope["path"], receive, send)
        else:
            assert (await receive())["type"] == "websocket.connect"
            await self._websocket(scope, receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        while True:
            kind = (await receive())["type"]
            self.was_shut_down = kind == "lifespan.shutdown"
            await send({"type": f"{kind}.complete"})
            if self.was_shut_down:
                return

    async def _websocket(self, scope: Message, receive: Any, send: Any) -> None:
        socket: SocketTransport = scope["extensions"][EXTENSION]
        path = scope["path"]
        if path == "/refused":
            await send({"type": "websocket.close"})
            return
        if path == "/hung":
            self.disconnects.append((await receive())["code"])
            return
        if path == "/early":
            with pytest.raises(RuntimeError):
                socket.attach(Recorder(socket))
        await send({"type": "websocket.accept"})
        if path == "/plain":
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})
            self.disconnects.append(message["code"])
            return
        if path == "/late":
            await self.go_on.wait()
        if path == "/closes":
            await send({"type": "websocket.close", "code": 4001, "reason": "go"})
        recorder = Recorder(socket, self.answer)
        socket.attach(recorder)
        self.recorders.put_nowait(recorder)
        message = await receive()
        assert message["type"] == "websocket.disconnect"
        self.disconnects.append(message["code"])

    async def _http(self, path: str, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more and path != "/unread":
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects.append(0)
                return
            body += message["body"]
            more = message["more_body"]
        self.requests.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if path == "/big":
            for _ in range(64):
                await send({"type": "http.response.body", "body": bytes(65_536), "more_body": True})
        if path == "/stream":
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            await self.go_on.wait()
        await send({"type": "http.response.body", "body": b"done"})


@dataclass
class Served:
    """A running server."""

    app: Application
    server: uvicorn.Server
    port: int
    task: asyncio.Task[None]

    @property
    def connections(self) -> set[Any]:
        """uvicorn's own list."""
        return self.server.server_state.connections

    def client(self, path: str = "/wire", **options: Any) -> connect:
        """A well-behaved client; to be entered or awaited."""
        options = {"compression": None, "max_size": None, "proxy": None} | options
        return connect(f"ws://127.0.0.1:{self.port}{path}", **options)

    async def pair(self) -> tuple[ClientConnection, Recorder]:
        """A well-behaved client and the server's side of it."""
        client = await self.client()
        return client, await self.recorder()

    async def recorder(self) -> Recorder:
        """The server's side of the latest client."""
        async with asyncio.timeout(SOON):
            return await self.app.recorders.get()

    async def until_gone(self, left: int = 0) -> None:
        """Wait until uvicorn has no more than ``left`` connections."""
        await until(lambda: len(self.connections) <= left)

    async def stop(self) -> None:
        """Stop as SIGTERM does; raises the server's exception."""
        self.server.should_exit = True
        async with asyncio.timeout(SOON):
            await self.task


@contextlib.asynccontextmanager
async def serving(
    answer: Callable[[Recorder, bytes], None] | None = None,
    *,
    budgets: Budgets | None = None,
    **options: Any,
) -> AsyncIterator[Served]:
    """A server on a free port, with a small socket buffer, so that a deaf peer shows soon."""
    app = Application(answer)
    options = {"log_config": None, "lifespan": "on", "timeout_graceful_shutdown": 5} | options
    config = GuardedConfig(app, budgets=budgets or Budgets(), **options)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        listener.setblocking(False)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve([listener]))
        served = Served(app, server, listener.getsockname()[1], task)
        await until(lambda: server.started or task.done())
        try:
            yield served
        finally:
            await served.stop()


def quiet(_: Recorder, __: bytes) -> None:
    """Answers nothing."""


async def verdict(served: Served, data: bytes) -> int:
    """The close code for ``data``, which the receiver must get too."""
    async with raw(served, "/wire") as peer:
        recorder = await served.recorder()
        await peer.say(data)
        code = await peer.verdict()
        assert await recorder.until_closed() == code
        assert recorder.after_closed == 0
    await served.until_gone()
    return code
