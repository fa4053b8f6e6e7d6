"""The bus on a Redis Cluster: shards that move, fail, freeze, or are not there yet."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from server.bus.cluster import Cluster
from server.bus.connection import slot_of
from server.bus.port import PositionHint
from server.bus.redis import RedisBus, channel_of
from tests.parts import RedisServer
from tests.redis_parts import RedisCluster, valkey_server
from tests.server.listening import PATIENCE, pair, told


@pytest.fixture(params=["redis", "valkey"])
def cluster(request: pytest.FixtureRequest) -> Iterator[RedisCluster]:
    """A cluster that a test may break."""
    with RedisCluster(valkey_server() if request.param == "valkey" else None) as found:
        yield found


def on(cluster: RedisCluster, server: RedisServer) -> str:
    """An event whose channel lives on ``server``."""
    return next(
        event
        for event in (f"event {number}" for number in range(1_000))
        if cluster.owner(slot_of(channel_of("test", event))) is server
    )


async def wait_for(bus: RedisBus, is_up: bool) -> None:
    async with asyncio.timeout(PATIENCE):
        while bus.is_up != is_up:
            await asyncio.sleep(0.05)


async def test_a_slot_that_moves_is_followed_and_taken_as_a_gap(cluster: RedisCluster) -> None:
    first, second, *_ = cluster.servers
    event = on(cluster, first)
    async with pair(cluster.url) as (one, other, _, theirs):
        other.subscribe(event)
        await told(one, theirs, PositionHint(event, "epoch", 1))
        for seq, owner in ((2, second), (3, first)):
            theirs.heard.clear()
            await asyncio.to_thread(cluster.move, slot_of(channel_of("test", event)), owner)
            await theirs.hears(PositionHint(event))
            await told(one, theirs, PositionHint(event, "epoch", seq))


async def test_a_primary_that_dies_is_replaced_by_its_replica(cluster: RedisCluster) -> None:
    first, second, *_ = cluster.servers
    lost, safe = on(cluster, first), on(cluster, second)
    async with pair(cluster.url) as (one, other, _, theirs):
        assert isinstance(other, RedisBus)
        for event in (lost, safe):
            other.subscribe(event)
            await told(one, theirs, PositionHint(event, "epoch", 1))
        first.stop()
        theirs.heard.clear()
        await theirs.hears(PositionHint(lost))
        await told(one, theirs, PositionHint(lost, "epoch", 2))
        await told(one, theirs, PositionHint(safe, "epoch", 2))
        await wait_for(other, True)


async def test_a_frozen_shard_is_noticed_and_left(cluster: RedisCluster) -> None:
    # A primary without a replica: the others answer that the cluster is down, until it is back.
    second = cluster.servers[1]
    event = on(cluster, second)
    async with pair(cluster.url) as (one, other, _, theirs):
        assert isinstance(other, RedisBus)
        other.subscribe(event)
        await told(one, theirs, PositionHint(event, "epoch", 1))
        await wait_for(other, True)
        assert second.process is not None
        os.kill(second.process.pid, signal.SIGSTOP)
        try:
            await wait_for(other, False)
        finally:
            os.kill(second.process.pid, signal.SIGCONT)
        await told(one, theirs, PositionHint(event, "epoch", 2))
        await wait_for(other, True)


async def test_one_server_that_answers_is_enough_to_find_the_rest(cluster: RedisCluster) -> None:
    gone, known = RedisServer(), cluster.servers[2]
    gone.start()
    gone.stop()
    url = f"redis+cluster://127.0.0.1:{gone.port},127.0.0.1:{known.port}"
    event = on(cluster, cluster.servers[0])
    async with pair(url) as (one, other, _, theirs):
        other.subscribe(event)
        await told(one, theirs, PositionHint(event, "epoch", 1))


async def test_a_server_that_is_no_cluster_is_told_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lone = RedisServer()
    lone.start()
    bus = RedisBus(lone.url.replace("redis://", "redis+cluster://"), "test")
    look, looks = Cluster._read_slot_map, 0

    async def counted(cluster: Cluster) -> bool:
        nonlocal looks
        found = await look(cluster)
        looks += 1
        return found

    monkeypatch.setattr(Cluster, "_read_slot_map", counted)
    try:
        await bus.start(lambda told: None)
        async with asyncio.timeout(PATIENCE):
            while looks < 3:
                await asyncio.sleep(0.02)
        assert not bus.is_up
    finally:
        await bus.stop()
        lone.stop()
    assert len(caplog.records) == 1
    assert "no server of the Redis cluster" in caplog.text
