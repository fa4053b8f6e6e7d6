"""Two nodes on one bus that show a room by its steps alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from server.bus.port import Bus
from server.bus.redis import channel_of
from tests.promises.client import PATIENCE, Client, Room
from tests.promises.running import Running, running
from tests.promises.scenes import Scene, gathering

#: Seconds without a sweep: only the bus and the reads that it causes bring steps.
NEVER = 3_600.0


@pytest.fixture
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only messages move rooms."""
    monkeypatch.setattr("server.rooms.registry.SWEEP_INTERVAL_S", NEVER)


@asynccontextmanager
async def two(url: str, *buses: Bus, **settings: Any) -> AsyncIterator[tuple[Running, Running]]:
    """Two nodes, of which each decides what it is asked; with homes, either may be the one."""
    settings = {"forward": "off"} | settings
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(running(url, bus=bus, **settings)) for bus in buses
        ]
        yield nodes[0], nodes[1]


async def watched(one: Running, other: Running) -> tuple[Scene, Client, Room, str]:
    """An event on ``one``, a member of it who watches on ``other``, and a proposal."""
    scene = await gathering(one, 3)
    await scene.watch(scene.admin)
    watcher = await other.connect(scene.members[0].user)
    room = await watcher.subscribe(scene.event)
    return scene, watcher, room, await scene.propose()


def received(node: Running) -> dict[str, int]:
    """How a node treated the steps that it received, by outcome."""
    return {str(what): n for what, n in node.node.counters.received_steps.items()}


async def shared(node: Running, event: str) -> None:
    """Wait until a node knows that the others have the room."""
    async with asyncio.timeout(PATIENCE):
        while not node.node.bus.is_shared(event):
            # The report of presence reads from Redis; it goes once a second.
            await asyncio.sleep(0.05)


async def comment(scene: Scene, proposal: str, content: str = "x") -> int:
    """The position of a new comment by the admin."""
    fields = {"event": scene.event, "proposal": proposal, "content": content}
    seq: int = (await scene.admin.ack("comment.add", **fields))["seq"]
    return seq


async def heard(url: str, event: str, listening: asyncio.Event, kept: list[bytes]) -> None:
    """Record the messages about an event on that Redis."""
    async with Redis.from_url(url) as redis, redis.pubsub() as pubsub:
        await pubsub.subscribe(channel_of("test", event))
        async for message in pubsub.listen():
            listening.set()
            if message["type"] == "message":
                kept.append(message["data"])


@pytest.fixture
async def eavesdropper() -> AsyncIterator[Any]:
    """Starts to record the messages about an event; returns their list."""
    tasks: list[asyncio.Task[None]] = []

    async def begin(url: str, event: str) -> list[bytes]:
        kept: list[bytes] = []
        listening = asyncio.Event()
        tasks.append(asyncio.create_task(heard(url, event, listening, kept)))
        await listening.wait()
        return kept

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
