"""The registry of rooms: loading, dropping, and events between the two."""

from __future__ import annotations

import asyncio
import math

import pytest

from persistence.queries.event_reads import UserView
from server.rooms.room import Room
from server.rooms.subscription import Subscription
from tests.promises.running import Running
from tests.promises.scenes import gathering
from tests.server.rooms.outlets import EagerOutlet


def _ignore(subscription: Subscription, reason: str) -> None:
    """Do nothing."""


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
            scene.event,
            scene.admin.user,
            lambda room: Subscription(room, scene.admin.user, EagerOutlet(), _ignore),
        )
        return subscription

    def begin(room: Room) -> None:
        # A load calls this in its last step: these two run before the load's own callbacks.
        if len(entering) < 2:
            loop.call_soon(rooms._drop_unused, math.inf)
            entering.append(loop.create_task(enter()))
        presence_begin(room)

    asked = 0

    async def load_room(event_id: str, user: str, own: UserView) -> None:
        nonlocal asked
        asked += 1
        assert asked < 100, "it spins"
        await load(event_id, user, own)

    load = rooms._loaded_room
    presence_begin = rooms.presence.begin
    monkeypatch.setattr(rooms, "_loaded_room", load_room)
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


async def test_a_room_loaded_while_a_membership_was_read_is_not_loaded_over_its_subscribers(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the first ones stay in a room that the registry no longer has."""
    scene = await gathering(server)
    rooms = server.node.rooms
    is_read, may_go_on = asyncio.Event(), asyncio.Event()
    ask = rooms._views.load

    async def slow_once(event_id: str, user: str) -> UserView:
        own = await ask(event_id, user)
        if not is_read.is_set():
            is_read.set()
            await may_go_on.wait()
        return own

    async def enter() -> Subscription:
        subscription, _ = await rooms.enter(
            scene.event,
            scene.admin.user,
            lambda room: Subscription(room, scene.admin.user, EagerOutlet(), _ignore),
        )
        return subscription

    monkeypatch.setattr(rooms._views, "load", slow_once)
    async with asyncio.timeout(30):
        slow = asyncio.create_task(enter())
        await is_read.wait()
        quick = await enter()
        may_go_on.set()
        late = await slow
    assert late.room is quick.room
    ack = await scene.admin.ack("event.pause", event=scene.event)
    assert quick.room.seq == ack["seq"]
    rooms.leave(quick)
    rooms.leave(late)
