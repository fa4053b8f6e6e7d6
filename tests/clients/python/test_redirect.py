"""An address that redirects to another origin: the token is not sent there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from ayes_client import Client
from ayes_client.errors import Unreachable
from tests.clients.python.conftest import client_of
from tests.clients.python.waiting import status
from tests.parts import free_port
from tests.promises.running import Running
from tests.promises.scenes import fresh


@asynccontextmanager
async def redirecting(target: Callable[[str], str]) -> AsyncIterator[str]:
    """A server that redirects each request to ``target(path)``; its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1].decode()
        writer.write(
            f"HTTP/1.1 302 Found\r\nLocation: {target(path)}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def thief() -> AsyncIterator[tuple[int, list[bytes | str]]]:
    """Another origin, and all requests that reached it."""
    stolen: list[bytes | str] = []

    async def take(socket: ServerConnection) -> None:
        stolen.append(await socket.recv())

    async with serve(take, "localhost", 0, subprotocols=[Subprotocol("ayes.v1")]) as server:
        yield next(iter(server.sockets)).getsockname()[1], stolen


@pytest.mark.parametrize(
    "target",
    [
        "ws://localhost:{port}/v1/socket",
        "//localhost:{port}/v1/socket",
        "http://user@localhost:{port}/v1/socket",
        "ws://localhost:{port}/v1/socket#" + "x" * 5_000,
    ],
)
async def test_a_redirect_to_another_origin_gets_no_token(target: str) -> None:
    async with thief() as (port, stolen), redirecting(lambda _: target.format(port=port)) as url:
        client = client_of(url, fresh("ada"), open_timeout=5)
        client.start()
        await status(client, "waiting")
        trouble = client.trouble or ""
        await client.stop()
    assert stolen == []
    assert len(trouble) < 300


async def test_the_client_says_where_the_redirect_leads() -> None:
    async with thief() as (port, _), redirecting(lambda _: f"ws://localhost:{port}/x") as url:
        client = client_of(url, fresh("ada"), open_timeout=3)
        with pytest.raises(Unreachable, match=f"not followed: ws://localhost:{port}"):
            async with client:
                raise AssertionError("there is no server")


async def test_a_redirect_within_the_origin_is_followed(server: Running) -> None:
    """A proxy may change the path; the origin that gets the token stays the configured one."""

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET /old/"):
            answer = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: /v1/socket\r\n"
            writer.write(answer + b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        theirs = await asyncio.open_connection("127.0.0.1", server.port)
        theirs[1].write(head)
        await asyncio.gather(_pump(reader, theirs[1]), _pump(theirs[0], writer))

    port = free_port()
    proxy = await asyncio.start_server(forward, "127.0.0.1", port)
    async with proxy:
        client: Client = client_of(f"http://127.0.0.1:{port}/old", fresh("ada"))
        async with client:
            assert (await client.query("events.list"))["events"] == []


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
