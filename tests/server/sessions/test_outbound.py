"""Messages to a socket in one turn of the loop are sent in one write."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.rooms import room
from server.transport import socket_transport
from server.transport.frames import payload_of
from tests.promises.running import Running
from tests.promises.scenes import Scene, gathering

_transport = socket_transport.SocketTransport


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every write to a socket, in order."""
    found: list[bytes] = []
    send, send_room = _transport.send, _transport.send_room

    def kept(self: Any, data: bytes) -> None:
        found.append(data)
        send(self, data)

    def kept_room(self: Any, *parts: bytes, answers: bytes = b"") -> int:
        found.append(b"".join((answers, *parts)))
        return send_room(self, *parts, answers=answers)

    monkeypatch.setattr(_transport, "send", kept)
    monkeypatch.setattr(_transport, "send_room", kept_room)
    return found


def kinds(data: bytes) -> list[str]:
    """The types of the messages in one write."""
    found = []
    while data:
        payload = payload_of(data)
        header = 2 if data[1] < 126 else 4
        size = data[1] if header == 2 else int.from_bytes(data[2:4])
        found.append(payload[:size].split(b'"', 4)[3].decode())
        data = data[header + size :]
    return found


async def watched(server: Running, monkeypatch: pytest.MonkeyPatch) -> tuple[Scene, str]:
    """A room with a proposal, where a member and the admin watch and no frame waits for another."""
    monkeypatch.setattr(room, "FRAME_INTERVAL_S", 0.0)
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    await scene.watch(scene.members[0], scene.admin)
    return scene, proposal


def kinds_of(writes: list[bytes]) -> list[list[str]]:
    """The types in each write, without the count of connected members, which comes at any time."""
    return [found for data in writes if (found := kinds(data)) != ["presence"]]


async def test_an_ack_the_voters_own_patch_and_the_diff_are_one_write(
    server: Running, writes: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, proposal = await watched(server, monkeypatch)
    voter = scene.members[0]
    writes.clear()
    ack = await scene.vote(voter, proposal)
    for client in (voter, scene.admin):
        await client.room(scene.event).reached(ack["seq"])
    assert kinds_of(writes) == [["ack", "you", "diff"], ["diff"]]


async def test_answers_of_one_turn_and_the_diff_are_one_write_with_the_answers_first(
    server: Running, writes: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, proposal = await watched(server, monkeypatch)
    voter = scene.members[0]
    writes.clear()
    acks = await asyncio.gather(*(scene.vote(voter, proposal), scene.vote(voter, proposal)))
    await voter.room(scene.event).reached(max(ack["seq"] for ack in acks))
    found_in_all = kinds_of(writes)
    assert sum(found.count("ack") for found in found_in_all) == 2
    for found in found_in_all:
        assert found == sorted(found, key=["ack", "you", "diff"].index)
