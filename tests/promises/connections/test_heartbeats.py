"""Heartbeats, silence, presence, slow readers, and going away.

``docs/protocol.md``, "Keeping the line".
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
from typing import Any

import asyncpg
import pytest

from server.transport.stall_detector import StallDetector
from tests.fixtures.servers import Start
from tests.promises.client import PATIENCE, Client
from tests.promises.running import Running, token
from tests.promises.scenes import gathering

HOUR_MS = 3_600_000


async def test_a_ping_is_answered_with_the_time(server: Running) -> None:
    client = await server.connect("ada")
    pong = await client.ask("ping")
    assert set(pong) == {"type", "ref", "time"}
    assert pong["time"].endswith("Z")


async def test_heartbeats_carry_the_top_of_each_room(start: Start) -> None:
    server = await start(heartbeat_ms=200)
    one, two = await gathering(server), await gathering(server)
    client = await server.connect(one.admin.user)
    room = await client.subscribe(one.event)
    # A live client answers the server's pings, and need not send anything.
    for _ in range(3):
        seen = len(client.of("heartbeat"))
        beat = (await client.saw("heartbeat", seen + 1))[-1]
        assert beat["positions"] == {one.event: [room.epoch, room.seq]}
        await one.do("event.rotate_code")
        await room.reached(beat["positions"][one.event][1] + 1)
    assert client.socket.close_code is None
    idle = (await two.admin.saw("heartbeat"))[-1]
    assert idle["positions"] == {}
    assert set(idle) == {"type", "time", "positions"}


class Mute:
    """A raw socket that says hello, and then not even sends a pong."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self, behind_it: bytes = b"") -> None:
        """Upgrade and say hello; ``behind_it`` is in the same write."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(
            b"GET /v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await self.reader.readuntil(b"\r\n\r\n")
        hello = json.dumps({"type": "hello", "token": token("mute")}).encode()
        self.writer.write(masked(0x81, hello) + behind_it)

    async def frames(self) -> list[tuple[int, bytes]]:
        """All frames until the close frame or the end: opcode and payload."""
        found = []
        try:
            while True:
                first, second = await self.reader.readexactly(2)
                size = second & 127
                if size > 125:
                    size = int.from_bytes(
                        await self.reader.readexactly(2 if size == 126 else 8), "big"
                    )
                found.append((first & 15, await self.reader.readexactly(size)))
                if found[-1][0] == 8:
                    return found
        except (asyncio.IncompleteReadError, ConnectionError):
            return found

    async def close(self) -> None:
        """Drop the connection."""
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)


def masked(first: int, payload: bytes) -> bytes:
    """A client's frame."""
    mask = os.urandom(4)
    size = len(payload)
    head = (
        bytes([first, 0x80 | size])
        if size < 126
        else (bytes([first, 0x80 | 126]) + size.to_bytes(2, "big"))
    )
    return head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload))


async def test_silence_closes_4002(start: Start) -> None:
    server = await start(heartbeat_ms=150)
    mute = Mute(server.port)
    await mute.open()
    async with asyncio.timeout(30):
        frames = await mute.frames()
    await mute.close()
    kinds = [opcode for opcode, _ in frames]
    assert 9 in kinds, "the server pings"
    opcode, payload = frames[-1]
    assert (opcode, int.from_bytes(payload[:2], "big")) == (8, 4002)


async def test_any_frame_counts_as_life(start: Start) -> None:
    """By a clock of the test's, since the server's own heartbeat is too slow here."""
    silence = 2 * HOUR_MS / 1000
    server = await start(heartbeat_ms=HOUR_MS)
    await server.node._keepalive.task.stop()
    mute = Mute(server.port)
    await mute.open()
    reading = asyncio.create_task(mute.frames())
    async with asyncio.timeout(PATIENCE):
        while not [session for session in server.node.sockets.all if session.is_open]:
            await asyncio.sleep(0.01)
    (session,) = server.node.sockets.all
    for opcode in (0x8A, 0x89):
        # An unsolicited pong, and a ping.
        session.heard_at = before = session.heard_at - silence
        mute.writer.write(masked(opcode, b""))
        async with asyncio.timeout(PATIENCE):
            while session.heard_at == before:
                await asyncio.sleep(0.01)
        server.node._keepalive.tick(session.heard_at + silence * 0.99)
        assert session.is_open
    server.node._keepalive.tick(session.heard_at + silence * 1.01)
    assert not session.is_open
    assert (await reading)[-1][1][:2] == (4002).to_bytes(2, "big")
    await mute.close()


async def test_a_hello_and_a_close_in_one_segment_leave_nothing_behind(
    server: Running, recwarn: pytest.WarningsRecorder
) -> None:
    for _ in range(5):
        mute = Mute(server.port)
        await mute.open(behind_it=masked(0x88, (1000).to_bytes(2, "big")))
        async with asyncio.timeout(30):
            await mute.frames()
        await mute.close()
    async with asyncio.timeout(30):
        while server.node.sockets.all:
            await asyncio.sleep(0.01)
    assert [str(warning.message) for warning in recwarn] == []


# Presence.


async def test_presence_counts_members_not_sockets(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 2)
    one, two = scene.members
    tab = await server.connect(one.user)
    stranger = await scene.newcomer()
    room, *_ = await scene.watch(one, tab, two)
    await one.until(lambda: room.online == 2)
    await scene.watch(scene.admin)
    await one.until(lambda: room.online == 3)
    await tab.leave()
    await two.leave()
    await one.until(lambda: room.online == 2)
    told = [message["online"] for message in one.of("presence")]
    assert all(a != b for a, b in itertools.pairwise(told))
    assert stranger.of("presence") == []


# Slow readers.


async def stalled(server: Running, user: str, event: str) -> tuple[Client, asyncio.Transport]:
    """A subscribed client that stops reading; its transport."""
    client = await server.connect(user, receive_buffer=32_768)
    (session,) = (s for s in server.node.sockets.all if s.id == client.welcome["session"])
    # The operating system would buffer megabytes for a client on the same machine.
    sending = session.transport._transport.get_extra_info("socket")
    sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
    # It is not given up, however long a busy machine takes for the acts meanwhile.
    session.transport._stall_detector = StallDetector(
        asyncio.get_running_loop(), 3_600.0, session.transport
    )
    await client.subscribe(event)
    transport = client.socket.transport
    transport.pause_reading()
    return client, transport


async def test_a_slow_reader_gets_merged_diffs_and_keeps_nobody_waiting(server: Running) -> None:
    scene = await gathering(server, 2, policy={"proposer_votes": True})
    slow, quick = scene.members
    deaf, transport = await stalled(server, slow.user, scene.event)
    room = await quick.subscribe(scene.event)
    proposal = await scene.propose()
    big = "x" * 1_900
    seqs = []
    for number in range(400):
        ack = await scene.admin.ack(
            "comment.add", event=scene.event, proposal=proposal, content=f"{number} {big}"
        )
        seqs.append(ack["seq"])
    await room.reached(seqs[-1])
    assert deaf.rooms[scene.event].seq < seqs[-1]
    transport.resume_reading()
    behind = deaf.rooms[scene.event]
    await behind.reached(seqs[-1])
    assert behind.state == room.state
    assert len(behind.diffs) < 400
    assert max(diff["seq"] - diff["from"] for diff in behind.diffs) > 20


async def test_too_far_behind_gets_a_snapshot(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.step_history.MAX_STEPS_IN_MEMORY", 16)
    scene = await gathering(server, 1)
    (slow,) = scene.members
    deaf, transport = await stalled(server, slow.user, scene.event)
    proposal = await scene.propose()
    big = "x" * 1_900
    for number in range(500):
        ack = await scene.admin.ack(
            "comment.add", event=scene.event, proposal=proposal, content=f"{number} {big}"
        )
    transport.resume_reading()
    behind = deaf.rooms[scene.event]
    await behind.reached(ack["seq"])
    assert "lag" in [start["reason"] for start in behind.starts if start["type"] == "snapshot"]
    fresh_room = await (await server.connect(slow.user)).subscribe(scene.event)
    assert (behind.state, behind.you) == (fresh_room.state, fresh_room.you)


async def test_a_slow_reader_gets_long_pages_one_after_another(start: Start) -> None:
    server = await start(comments_shown=1)
    scene = await gathering(server, 1)
    (slow,) = scene.members
    proposal = await scene.propose()
    content = "가" * 2_000
    posted = [
        await scene.admin.post("comment.add", event=scene.event, proposal=proposal, content=content)
        for _ in range(130)
    ]
    for ack in posted:
        await scene.admin.answered(ack)
    page: dict[str, Any] = {"type": "comments.list", "event": scene.event, "limit": 200}
    deaf, transport = await stalled(server, slow.user, scene.event)
    waiting = [deaf.expect(ref) for ref in ("one", "two", "three")]
    await deaf.say([page | {"ref": ref} for ref in ("one", "two", "three")])
    for _ in range(5):  # meanwhile all of them would have been written
        await scene.admin.ask(**page)
    transport.resume_reading()
    for answer in waiting:
        assert len((await deaf.answered(answer))["comments"]) == 129


# Going away.


async def test_a_drain_answers_commands_and_says_bye(server: Running, migrated_url: str) -> None:
    scene = await gathering(server, 1)
    (client,) = scene.members
    proposal = await scene.propose()
    idle = await scene.newcomer()
    blocker = await asyncpg.connect(migrated_url)
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", scene.event)
            waiting = await client.post(
                "vote.cast", id="drained-1", event=scene.event, proposal=proposal, revision=1
            )
            while not server.node.lanes.pending(scene.event, [(client.user, "drained-1")]):
                await asyncio.sleep(0)
            draining = asyncio.create_task(server.drain())
            await idle.until(lambda: bool(idle.of("bye")))
            late = await client.post(
                "vote.cast", id="too-late-1", event=scene.event, proposal=proposal, revision=1
            )
            refusal = await client.answered(late)
            assert (refusal["code"], refusal["effect"], refusal["retry"]) == (
                "draining",
                "none",
                "same",
            )
            assert refusal["retry_after_ms"] > 0
            assert not waiting.done()
        ack = await client.answered(waiting)
        assert ack["applied"]
    finally:
        await blocker.close()
    await draining
    for gone in (client, idle, scene.admin):
        assert await gone.gone() == 4001
        (bye,) = gone.of("bye")
        assert (bye["code"], set(bye)) == (4001, {"type", "code", "retry_after_ms", "message"})
        assert bye["retry_after_ms"] > 0
    assert [m["type"] for m in client.received][-2:] == ["ack", "bye"]


async def test_every_client_is_given_a_moment_of_its_own(server: Running) -> None:
    clients = [await server.connect(f"user-{number}") for number in range(12)]
    await server.drain()
    waits = set()
    for client in clients:
        assert await client.gone() == 4001
        waits.add(client.of("bye")[0]["retry_after_ms"])
    assert len(waits) > 6
