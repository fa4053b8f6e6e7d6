"""Clients that do not read cost the server one copy of the data they share."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx
import pytest

from persistence.journal.transaction import Transaction
from server.transport.large_answers import MAX_LARGE_PER_USER
from server.transport.user_requests import MAX_REQUESTS_PER_USER
from tests.fixtures.servers import Start
from tests.promises.client import PATIENCE
from tests.promises.running import Running, token
from tests.promises.scenes import BY_HAND, Scene, fresh, gathering

LONG = "나" * 1_990
#: Enough for a snapshot that overflows the kernel's buffers for a client with a small window.
PROPOSALS = 400


@pytest.fixture
async def server(start: Start) -> Running:
    """A server where one user may propose that much."""
    found: Running = await start(pending_per_author=PROPOSALS + 10)
    return found


async def heavy(server: Running) -> Scene:
    """An event whose snapshot has some MB."""
    scene = await gathering(server, 1, policy=BY_HAND)
    for _ in range(PROPOSALS // 50):
        await asyncio.gather(*(scene.propose(content=fresh(LONG), reason=LONG) for _ in range(50)))
    return scene


class Peer(NamedTuple):
    """A connection over HTTP that reads only at the test's request."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, path: str, user: str) -> None:
        """Send a request."""
        head = f"GET /v1{path} HTTP/1.1\r\nhost: ayes\r\nauthorization: Bearer {token(user)}"
        self.writer.write(f"{head}\r\n\r\n".encode())
        await self.writer.drain()

    async def head(self) -> bytes:
        """The answer's header."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def is_closed(self) -> bool:
        """Whether the server has closed it; waits a moment for that."""
        try:
            async with asyncio.timeout(0.2):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True


@asynccontextmanager
async def peers(server: Running, count: int) -> AsyncIterator[list[Peer]]:
    """Connections with small buffers."""
    found: list[Peer] = []
    loop = asyncio.get_running_loop()
    try:
        for _ in range(count):
            link = socket.socket()
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            link.setblocking(False)
            await loop.sock_connect(link, ("127.0.0.1", server.port))
            found.append(Peer(*await asyncio.open_connection(sock=link, limit=4_096)))
        yield found
    finally:
        for peer in found:
            peer.writer.close()


async def until_at_rest(server: Running) -> None:
    """Wait until no large answer is under way."""
    async with asyncio.timeout(PATIENCE):
        while server.node.large_answers._places:
            await asyncio.sleep(0.02)
    assert server.node.large_answers.bytes == 0


@pytest.mark.parametrize("path", ["", "/stream"])
async def test_readers_over_http_that_do_not_read_share_one_snapshot(
    server: Running, path: str
) -> None:
    scene = await heavy(server)
    large = server.node.large_answers
    user = scene.admin.user
    async with peers(server, MAX_LARGE_PER_USER + 2) as slow:
        for peer in slow:
            await peer.ask(f"/events/{scene.event}{path}", user)
        heads = await asyncio.gather(*(peer.head() for peer in slow))
        taken = [head for head in heads if b" 200 " in head.split(b"\r\n")[0]]
        refused = [head for head in heads if b" 429 " in head.split(b"\r\n")[0]]
        assert (len(taken), len(refused)) == (MAX_LARGE_PER_USER, 2)
        assert all(b"retry-after" in head for head in refused)
        size = len(await whole(server, scene.members[0].user, scene.event))
        assert size > PROPOSALS * 2 * 3 * 1_990
        # The admins' copy and the member's, who has read it; not one copy for each socket.
        assert large.bytes < 1.1 * size
    await until_at_rest(server)
    assert await whole(server, user, scene.event)


async def whole(server: Running, user: str, event: str) -> bytes:
    """The snapshot, read at once by a new client."""
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        headers = {"authorization": f"Bearer {token(user)}"}
        answer = await http.get(f"{server.base}/v1/events/{event}", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["type"] == "snapshot"
    return answer.content


async def test_sockets_that_do_not_read_share_one_snapshot_and_the_next_one_waits(
    server: Running,
) -> None:
    scene = await heavy(server)
    large = server.node.large_answers
    user = scene.admin.user
    hello = json.dumps({"type": "hello", "token": token(user), "resume": [{"event": scene.event}]})
    async with peers(server, MAX_LARGE_PER_USER + 2) as slow:
        for peer in slow:
            peer.writer.write(UPGRADE)
            assert b" 101 " in await peer.head()
            peer.writer.write(masked(hello.encode()))
        async with asyncio.timeout(PATIENCE):
            while len(large._places) < MAX_LARGE_PER_USER or not large.bytes:
                await asyncio.sleep(0.02)
        assert server.node.large_answers.place_now(user) is None
        size = len(await whole(server, scene.members[0].user, scene.event))
        assert large.bytes < 1.1 * size
    await until_at_rest(server)
    # The acts of people in the room reach the clients that read.
    (room,) = await scene.watch(scene.members[0])
    ack = await scene.admin.ack("proposal.create", event=scene.event, **ONE)
    await scene.members[0].until(lambda: room.seq >= ack["seq"], "the step")


@pytest.mark.parametrize("small", [{"type": "ping"}, {"type": "hello"}], ids=lambda it: it["type"])
async def test_hello_and_ping_over_http_need_no_place_of_a_large_answer(
    start: Start, small: dict[str, str]
) -> None:
    server: Running = await start()
    places = [server.node.large_answers.place_now("u-slow") for _ in range(MAX_LARGE_PER_USER)]
    assert None not in places
    headers = {"authorization": f"Bearer {token('u-slow')}"}
    message = small | ({"token": token("u-slow")} if small["type"] == "hello" else {})
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        answer = await http.post(f"{server.base}/v1/queries", json=message, headers=headers)
        listing = {"type": "events.list"}
        large = await http.post(f"{server.base}/v1/queries", json=listing, headers=headers)
    assert answer.status_code == 200, answer.text
    # A large answer waits for a place, and there is none.
    assert large.json()["code"] == "busy"
    for place in places:
        assert place is not None
        place.end()


ONE = {"kind": "assumption", "category": "create", "content": "one more"}
UPGRADE = (
    b"GET /v1/socket HTTP/1.1\r\nhost: ayes\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def masked(payload: bytes) -> bytes:
    """A client's text frame, with a mask of zeros."""
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


async def test_idle_connections_of_a_user_are_bounded_and_the_oldest_ends(start: Start) -> None:
    kept = 3
    server = await start(connections_per_user=kept)
    async with peers(server, kept + 3) as several:
        for peer in several:
            await peer.ask("/events", "ann")
            assert b" 200 " in await peer.head()
            await peer.reader.readuntil(b"}")
        ended = [await peer.is_closed() for peer in several]
        assert ended == [True] * 3 + [False] * kept
        # A connection belongs to the user of its latest request.
        await several[-1].ask("/events", "bob")
        assert b" 200 " in await several[-1].head()
        assert server.node.requests.idle_of("ann") == kept - 1
    async with asyncio.timeout(PATIENCE):
        while server.node.requests._idle:
            await asyncio.sleep(0.02)
    assert not server.node.requests._under_way


async def test_requests_of_a_user_under_way_are_bounded_and_the_next_is_busy(
    server: Running,
) -> None:
    scene = await gathering(server)
    user = scene.admin.user
    headers = {"authorization": f"Bearer {token(user)}"}
    async with httpx.AsyncClient(
        base_url=server.base, headers=headers, timeout=PATIENCE, trust_env=False, limits=WIDE
    ) as http:
        async with Transaction.begin(server.node.database) as held:
            await held.lock(scene.event)
            commands = [
                asyncio.create_task(http.post("/v1/commands", json=command(scene.event)))
                for _ in range(MAX_REQUESTS_PER_USER)
            ]
            async with asyncio.timeout(PATIENCE):
                while server.node.requests._under_way[user] < MAX_REQUESTS_PER_USER:
                    await asyncio.sleep(0.02)
            one_more = await http.get("/v1/events")
            assert one_more.status_code == 429
            assert one_more.json()["code"] == "busy"
            assert one_more.json()["retry_after_ms"]
        answers = await asyncio.gather(*commands)
    assert {answer.status_code for answer in answers} == {200}, answers[-1].text
    assert not server.node.requests._under_way


WIDE = httpx.Limits(max_connections=100, max_keepalive_connections=100)


def command(event: str) -> dict[str, str]:
    """A proposal."""
    return {"type": "proposal.create", "id": fresh("command"), "event": event} | ONE
