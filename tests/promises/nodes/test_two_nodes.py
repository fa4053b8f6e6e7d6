"""Two nodes on one database: rooms converge with Redis, without it, and despite forged hints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from redis.asyncio import Redis

from persistence.queries import event_reads
from server.bus.memory import MemoryBus
from server.bus.port import Bus, PositionHint
from server.bus.redis import RedisBus, channel_of
from server.rooms import presence
from tests.parts import RedisServer
from tests.promises.client import Client, Room
from tests.promises.proxy import proxy_before
from tests.promises.running import Running, killable, running
from tests.promises.scenes import Scene, gathering


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
    buses: list[Bus] = [RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")]
    async with two(migrated_url, buses) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        ack = await scene.vote(scene.members[1], proposal)
        await room.reached(ack["seq"])
        assert room.state["proposals"][proposal]["agree"] == 1


async def test_without_a_hint_the_sweep_brings_it(migrated_url: str) -> None:
    # Two buses without a connection: every message between them is lost.
    async with two(migrated_url, [MemoryBus(), MemoryBus()]) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        ack = await scene.vote(scene.members[1], proposal)
        await room.reached(ack["seq"])
        assert room.state["proposals"][proposal]["agree"] == 1


async def test_a_hint_that_comes_while_the_room_is_filled_is_not_lost(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No sweep, and no hints except the test's.
    monkeypatch.setattr("server.rooms.registry.SWEEP_INTERVAL_S", 3_600.0)
    async with two(migrated_url, [MemoryBus(), MemoryBus()]) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        tops = event_reads.positions
        looks = last = 0

        async def overtaken(*args: Any) -> Any:
            nonlocal looks, last
            found = await tops(*args)
            looks += 1
            # The second look finds nothing new, and would be the last.
            if looks == 2:
                last = (await scene.vote(scene.members[1], proposal))["seq"]
                other.node.rooms._on_message(PositionHint(scene.event, room.epoch, last))
            return found

        monkeypatch.setattr(event_reads, "positions", overtaken)
        ack = await scene.vote(scene.members[2], proposal)
        other.node.rooms._on_message(PositionHint(scene.event, room.epoch, ack["seq"]))
        await room.client.until(lambda: bool(last), "another vote")
        await room.reached(last)


async def test_with_redis_gone_acks_go_on_and_rooms_converge(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")]
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
    buses: list[Bus] = [RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")]
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
    buses: list[Bus] = [RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")]
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


async def test_an_id_decided_elsewhere_after_a_lost_commit_is_told_as_a_repeat(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with proxy_before(migrated_url) as proxy, AsyncExitStack() as stack:
        bus, other_bus = RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")
        one = await stack.enter_async_context(running(proxy.url, bus=bus))
        other = await stack.enter_async_context(running(migrated_url, bus=other_bus))
        scene, watcher, _, proposal = await watched(one, other)
        vote: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
        proxy.fail("before")
        posted = await scene.members[0].post("vote.cast", id="here-and-there", **vote)
        while not proxy.cuts:
            await asyncio.sleep(0)
        # The node whose COMMIT was lost cannot try again until the other one has decided.
        proxy.refuse()
        first = await watcher.ack("vote.cast", id="here-and-there", **vote)
        proxy.thaw()
        assert first["replayed"] is False
        assert await scene.members[0].answered(posted) == first | {"replayed": True}


async def test_who_is_removed_on_one_node_is_gone_on_the_other(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")]
    async with two(migrated_url, buses) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        await scene.do("membership.remove", user=watcher.user)
        assert await room.closed() == "removed"
        await watcher.refused(
            "not_a_member", "vote.cast", event=scene.event, proposal=proposal, revision=1
        )


async def decided(client: Client, type: str, **fields: Any) -> dict[str, Any]:
    """The ack; "the same id again" is obeyed, as any client does while its node is flooded."""
    while (answer := await client.send(type, id="once-and-again", **fields))["type"] == "error":
        assert answer["retry"] == "same", answer
        await asyncio.sleep(answer["retry_after_ms"] / 1000)
    return answer


async def test_forged_messages_reach_nobody(migrated_url: str, redis_server: RedisServer) -> None:
    buses: list[Bus] = [RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")]
    async with two(migrated_url, buses) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        await room.reached((await scene.admin.subscribe(scene.event)).seq)
        before, seen = dict(room.state), len(watcher.received)
        patch = {"proposals": {proposal: {"agree": 1_000, "status": "accepted"}}}
        async with Redis.from_url(redis_server.url) as forger:
            pipe = forger.pipeline(transaction=False)
            for number in range(10_000):
                forged = {
                    "kind": "hint",
                    "node": "forger",
                    "epoch": room.epoch if number % 2 else "forged",
                    "seq": room.seq + number % 7,
                    "steps": [{"seq": room.seq + 1, "patches": {"member": patch}}],
                    "patch": patch,
                }
                pipe.publish(channel_of("test", scene.event), orjson.dumps(forged))
            await pipe.execute()
        # A genuine step behind them: a forged hint before it would have had its effect by now.
        ack = await decided(scene.admin, "event.pause", event=scene.event)
        await room.reached(ack["seq"])
        told = [m for m in watcher.received[seen:] if m["type"] in ("diff", "snapshot", "you")]
        assert [m["patch"] for m in told] == [{"event": {"status": "paused"}}]
        assert room.state["proposals"] == before["proposals"]


async def test_presence_is_summed_over_nodes_and_everybody_counts_once(
    migrated_url: str, redis_of_a_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "REPORT_INTERVAL_S", 0.3)
    buses: list[Bus] = [RedisBus(redis_of_a_kind, "test"), RedisBus(redis_of_a_kind, "test")]
    async with two(migrated_url, buses) as (one, other):
        scene = await gathering(one, 3)
        ada, ben, cleo = scene.members
        here, _ = await scene.watch(ada, ben)
        there = await (await other.connect(cleo.user)).subscribe(scene.event)
        # On both nodes, with a socket each.
        twice = await other.connect(ada.user)
        await twice.subscribe(scene.event)
        await ada.until(lambda: here.online == 3, "both nodes counted")
        await there.client.until(lambda: there.online == 3, "both nodes counted")
        await ben.leave()
        await there.client.until(lambda: there.online == 2, "one less, told by the other node")
        await twice.leave()
        await scene.watch(scene.admin)
        await there.client.until(lambda: there.online == 3, "ada still, on one node")
        await there.client.leave()
        await ada.until(lambda: here.online == 2, "the other node has nobody left")


async def test_with_redis_gone_each_node_is_left_with_its_own_count(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "REPORT_TTL_S", 2.0)
    monkeypatch.setattr(presence, "REPORT_INTERVAL_S", 0.5)
    buses: list[Bus] = [RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")]
    async with two(migrated_url, buses) as (one, other):
        scene, watcher, room, _ = await watched(one, other)
        (here,) = await scene.watch(scene.members[1])
        await watcher.until(lambda: room.online == 2, "both nodes counted")
        redis_server.stop()
        await watcher.until(lambda: room.online == 1, "its own count")
        await scene.members[1].until(lambda: here.online == 1, "its own count")
        redis_server.start()
        await watcher.until(lambda: room.online == 2, "both nodes counted again")


async def test_redis_gone_is_seen_in_the_metrics_and_takes_no_node_out_of_service(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with (
        running(migrated_url, bus=RedisBus(redis_server.url, "test")) as node,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{node.port}", trust_env=False) as http,
    ):

        async def shows(up: int) -> None:
            async with asyncio.timeout(20):
                while f"ayes_bus_up {up}.0" not in (await http.get("/metrics")).text:
                    await asyncio.sleep(0.05)

        await shows(1)
        redis_server.stop()
        await shows(0)
        assert (await http.get("/readyz")).status_code == 200
        redis_server.start()
        await shows(1)


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
