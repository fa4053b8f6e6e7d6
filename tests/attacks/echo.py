"""An application that sends back what it gets, behind the guard, for the conformance cases.

Two paths, since there are two ways through the guard. ``/wire`` attaches a receiver, as Ayes does;
it hears that a binary message came, never what was in it, so it cannot echo those. ``/asgi`` is
plain ASGI, and echoes everything.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from server.transport.guard import EXTENSION, Budgets, GuardedConfig, SocketTransport, frame

PATHS = ("/wire", "/asgi")

#: The conformance cases send messages of 16 MiB, cut into 64-byte fragments, and thousands at once.
#: The budgets exist to refuse such messages, so they are lifted here.
WIDE = Budgets(
    commands_per_second=1e9,
    controls_per_second=1e9,
    max_fragments=1 << 20,
    message_bytes=32 << 20,
    output_bytes=64 << 20,
    ack_bytes=64 << 20,
)


class Echo:
    """A receiver that sends each text back."""

    def __init__(self, socket: SocketTransport) -> None:
        self._socket = socket

    def text(self, payload: bytes) -> None:
        self._socket.send(frame(payload))

    def binary(self) -> None:
        pass

    def alive(self) -> None:
        pass

    def writable(self) -> None:
        pass

    def closed(self, code: int) -> None:
        pass


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Echo until the end."""
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    if scope["path"] == "/wire":
        socket: SocketTransport = scope["extensions"][EXTENSION]
        socket.attach(Echo(socket))
    while (message := await receive())["type"] == "websocket.receive":
        kind = "text" if message.get("text") is not None else "bytes"
        await send({"type": "websocket.send", kind: message[kind]})


@dataclass
class Echoing:
    """The server's port and paths."""

    port: int


@asynccontextmanager
async def echoing(budgets: Budgets = WIDE, *, deflates: bool = False) -> AsyncIterator[Echoing]:
    """A server of ``application`` on a free port of loopback."""
    config = GuardedConfig(
        application,
        budgets=budgets,
        log_config=None,
        lifespan="off",
        ws_per_message_deflate=deflates,
    )
    config.load()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(256)
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])
        try:
            yield Echoing(listener.getsockname()[1])
        finally:
            async with asyncio.timeout(20):
                await server.shutdown(sockets=[listener])
