"""Frames of a room that wait for an answer to their socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import orjson
import pytest

from handlers.audiences import Patches
from server.rooms import room as rooms
from server.rooms import subscription as subscriptions
from server.rooms.room import Room
from server.rooms.step_history import RoomStep
from server.rooms.subscription import Subscription


@dataclass(eq=False)
class Outlet:
    """A socket that accepts every frame, with or without a command under way."""

    expects_answer: bool = False
    deflates: bool = False
    frames: list[bytes] = field(default_factory=list)
    sent: asyncio.Event = field(default_factory=asyncio.Event)

    def can_send(self) -> bool:
        """Return true: the socket is never full."""
        return True

    def admits(self, size: int) -> bool:
        """Return true: the socket is never full."""
        return True

    def send_room(self, *frames: bytes) -> None:
        """Keep the frames."""
        self.frames += frames
        self.sent.set()


def _ignore(subscription: Subscription, reason: str) -> None:
    """Do nothing."""


def watched(*outlets: Outlet) -> tuple[Room, list[Subscription]]:
    """A room that each of the sockets watches."""
    room = Room("an-event")
    room.epoch, room.document = "an-epoch", {"counts": {}}
    watching = [
        Subscription(room, f"user-{number}", outlet, _ignore)
        for number, outlet in enumerate(outlets)
    ]
    for subscription in watching:
        subscription.live = True
        room.enter(subscription)
    return room, watching


def move(room: Room) -> None:
    """Commit one more step."""
    patch = {"proposals": {"p": {"agree": room.seq + 1}}}
    texts = {"member": orjson.dumps(patch)}
    room.apply([RoomStep(room.seq + 1, Patches(member=patch), texts, bytes(32))])


async def test_steps_wait_for_the_answer_that_takes_them_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "ANSWER_WAIT_S", 3600.0)
    voter, watcher = Outlet(expects_answer=True), Outlet()
    room, (voting, _) = watched(voter, watcher)
    move(room)
    await asyncio.wait_for(watcher.sent.wait(), 30)
    assert not voter.frames
    voting.pull()  # an answer goes out
    assert b'"from":0,"seq":1' in voter.frames[0]
    assert len(voter.frames) == 1


async def test_steps_go_without_an_answer_that_does_not_come_in_time() -> None:
    voter = Outlet(expects_answer=True)
    room, _ = watched(voter)
    move(room)
    await asyncio.wait_for(voter.sent.wait(), 30)
    assert b'"from":0,"seq":1' in voter.frames[0]


async def test_later_steps_do_not_make_the_first_one_wait_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rooms, "FRAME_INTERVAL_S", 0.0)
    monkeypatch.setattr(subscriptions, "ANSWER_WAIT_S", 3600.0)
    voter, watcher = Outlet(expects_answer=True), Outlet()
    room, (voting, _) = watched(voter, watcher)
    begun = asyncio.get_running_loop().time()
    untils = set()
    for now in (begun, begun + 1.0, begun + 2.0):
        watcher.sent.clear()
        move(room)
        await asyncio.wait_for(watcher.sent.wait(), 30)
        assert not voter.frames
        untils.add(voting.flush(now))
    [until] = untils
    assert voting.flush(until) == 0.0
    assert voter.frames


async def test_a_frame_that_went_without_an_answer_lets_the_next_one_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voter = Outlet(expects_answer=True)
    room, (voting,) = watched(voter)
    move(room)
    await asyncio.wait_for(voter.sent.wait(), 30)
    monkeypatch.setattr(subscriptions, "ANSWER_WAIT_S", 3600.0)
    move(room)
    assert voting.flush(asyncio.get_running_loop().time()) > 0.0
    assert len(voter.frames) == 1


async def test_a_frame_that_waited_in_vain_brings_nobody_elses_forward(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voter, watcher = Outlet(expects_answer=True), Outlet()
    room, _ = watched(voter, watcher)
    move(room)
    await asyncio.wait_for(watcher.sent.wait(), 30)
    # The watcher's next frame is due in an hour.
    monkeypatch.setattr(rooms, "FRAME_INTERVAL_S", 3600.0)
    move(room)
    await asyncio.wait_for(voter.sent.wait(), 30)
    assert len(watcher.frames) == 1
