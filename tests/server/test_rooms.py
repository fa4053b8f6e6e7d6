"""The registry of rooms: loading, dropping, and what happens between the two."""

from __future__ import annotations

import asyncio

import pytest

from server.room import Room
from server.subscription import Subscription
from tests.promises.running import Running
from tests.promises.scenes import gathering


class Outlet:
    """A socket that takes every frame."""

    deflates = False

    def room(self) -> bool:
        """Always."""
        return True

    def admits(self, size: int) -> bool:
        """Always."""
        return True

    def send_room(self, data: bytes) -> None:
        """Nobody looks."""


def _ignore(subscription: Subscription, reason: str) -> None:
    """Nobody renews."""


async def test_a_room_dropped_in_the_iteration_it_was_loaded_in_can_be_entered(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sweep and an ``enter`` run between a load's last step and its callbacks."""
    scene = await gathering(server)
    rooms = server.node.rooms
    loop = asyncio.get_running_loop()
    entering: list[asyncio.Task[Subscription]] = []

    async def enter() -> Subscription:
        subscription, _ = await rooms.enter(
            scene.event, lambda room: Subscription(room, scene.admin.user, Outlet(), _ignore)
        )
        return subscription

    def begin(room: Room) -> None:
        # A load calls this in its last step: these two run before the load's own callbacks.
        if len(entering) < 2:
            loop.call_soon(rooms._drop_empty)
            entering.append(loop.create_task(enter()))
        presence_begin(room)

    asked = 0

    async def room_of(event_id: str) -> Room:
        nonlocal asked
        asked += 1
        assert asked < 100, "it spins"
        return await load(event_id)

    load = rooms._room
    presence_begin = rooms.presence.begin
    monkeypatch.setattr(rooms, "_room", room_of)
    monkeypatch.setattr(rooms.presence, "begin", begin)
    entering.append(loop.create_task(enter()))
    async with asyncio.timeout(30):
        first = await entering[0]
        second = await entering[1]
    assert first.room is second.room
    assert rooms.count() == 1
    rooms.leave(first)
    rooms.leave(second)
    assert rooms.count() == 0
