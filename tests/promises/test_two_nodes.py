"""Two nodes on one database: rooms converge with Redis, without it, and against its lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis

from server.bus import Bus, MemoryBus
from server.redis_bus import PREFIX, RedisBus
from tests.parts import RedisServer
from tests.promises.client import Client, Room
from tests.promises.running import Running, killable, running
from tests.promises.scenes import Scene, gathering


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis that a test may ill-treat."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def two(url: str, buses: list[Bus]) -> AsyncIterator[tuple[Running, Running]]:
    """Two nodes."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(running(url, bus=bus)) for bus in buses]
        yield nodes[0], nodes[1]


async def watched(one: Running, other: Running) -> tuple[Scene, Client, Room, str]:
    """An event on ``one``, a member of it who watches on ``other``, and a proposal."""
    scene = await gathering(one, 3)
    watcher = await other.connect(scene.members[0].user)
    room = await watcher.subscribe(scene.event)
    return scene, watcher, room, await scene.propose()


async def test_a_member_on_the_other_node_sees_the_vote(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url), RedisBus(redis_server.url)]
    async with two(migrated_url, buses) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        ack = await scene.vote(scene.members[1], proposal)
        await room.reached(ack["seq"])
        assert room.state["proposals"][proposal]["agree"] == 1


async def test_without_a_hint_the_sweep_brings_it(migrated_url: str) -> None:
    # Two buses that do not know of each other: all is lost between them.
    async with two(migrated_url, [MemoryBus(), MemoryBus()]) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        ack = await scene.vote(scene.members[1], proposal)
        await room.reached(ack["seq"])
        assert room.state["proposals"][proposal]["agree"] == 1


async def test_with_redis_gone_acks_go_on_and_rooms_converge(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url), RedisBus(redis_server.url)]
    async with two(migrated_url, buses) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        redis_server.stop()
        for client in scene.members:
            ack = await scene.vote(client, proposal)
        await room.reached(ack["seq"])
        assert room.state["proposals"][proposal]["agree"] == 3


async def test_votes_on_both_nodes_have_one_order(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url), RedisBus(redis_server.url)]
    async with two(migrated_url, buses) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        second = await other.connect(scene.members[1].user)
        for _ in range(10):
            acks = await asyncio.gather(
                watcher.ack("vote.cast", event=scene.event, proposal=proposal, revision=1),
                scene.vote(scene.members[2], proposal),
                second.ack("comment.add", event=scene.event, proposal=proposal, content="x"),
            )
            assert len({ack["seq"] for ack in acks}) == 3
            await asyncio.gather(
                watcher.ack("vote.retract", event=scene.event, proposal=proposal),
                scene.members[2].ack("vote.retract", event=scene.event, proposal=proposal),
            )
        mine = await scene.members[2].subscribe(scene.event)
        await room.reached(mine.seq)
        assert room.state == mine.state


async def test_the_same_id_on_two_nodes_has_one_effect(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url), RedisBus(redis_server.url)]
    async with two(migrated_url, buses) as (one, other):
        scene, watcher, _, proposal = await watched(one, other)
        for number in range(10):
            fields = {"event": scene.event, "proposal": proposal, "content": f"c{number}"}
            answers = await asyncio.gather(
                watcher.ack("comment.add", id=f"same-id-{number}", **fields),
                scene.members[0].ack("comment.add", id=f"same-id-{number}", **fields),
            )
            assert sorted(answer["replayed"] for answer in answers) == [False, True]
            assert len({answer["seq"] for answer in answers}) == 1


async def test_who_is_removed_on_one_node_is_gone_on_the_other(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url), RedisBus(redis_server.url)]
    async with two(migrated_url, buses) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        await scene.do("membership.remove", user=watcher.user)
        assert await room.closed() == "removed"
        await watcher.refused(
            "not_a_member", "vote.cast", event=scene.event, proposal=proposal, revision=1
        )


async def test_forged_messages_reach_nobody(migrated_url: str, redis_server: RedisServer) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url), RedisBus(redis_server.url)]
    async with two(migrated_url, buses) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        await room.reached((await scene.admin.subscribe(scene.event)).seq)
        before, seen = dict(room.state), len(watcher.received)
        patch = {"proposals": {proposal: {"agree": 1_000, "status": "accepted"}}}
        async with Redis.from_url(redis_server.url) as forger:
            pipe = forger.pipeline(transaction=False)
            for number in range(10_000):
                forged = {
                    "epoch": room.epoch if number % 2 else "forged",
                    "seq": room.seq + number % 7,
                    "steps": [{"seq": room.seq + 1, "patches": {"member": patch}}],
                    "patch": patch,
                }
                pipe.publish(PREFIX + scene.event, orjson.dumps(forged))
            await pipe.execute()
        # A true step behind them: what was forged before it would have been told by now.
        ack = await scene.admin.ack("event.pause", event=scene.event)
        await room.reached(ack["seq"])
        told = [m for m in watcher.received[seen:] if m["type"] in ("diff", "snapshot", "you")]
        assert [m["patch"] for m in told] == [{"event": {"status": "paused"}}]
        assert room.state["proposals"] == before["proposals"]


async def test_a_second_server_without_redis_is_refused(migrated_url: str, tmp_path: Path) -> None:
    async with killable(migrated_url, tmp_path / "one"):
        with pytest.raises(AssertionError, match="AYES_REDIS_URL"):
            async with killable(migrated_url, tmp_path / "two"):
                pass


async def test_two_servers_with_redis_run_side_by_side(
    migrated_url: str, tmp_path: Path, redis_server: RedisServer
) -> None:
    url: dict[str, Any] = {"redis_url": redis_server.url}
    async with (
        killable(migrated_url, tmp_path / "one", **url) as one,
        killable(migrated_url, tmp_path / "two", **url) as other,
    ):
        scene = await gathering(one, 1)
        watcher = await other.connect(scene.members[0].user)
        room = await watcher.subscribe(scene.event)
        ack = await scene.admin.ack("event.pause", event=scene.event)
        await room.reached(ack["seq"])
        await one.leave()
        await other.leave()
        assert await one.terminate() == 0
