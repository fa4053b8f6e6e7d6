"""Steps on the bus are sealed: who reads or writes Redis neither learns nor forges one."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import orjson
import pytest
from redis.asyncio import Redis

from server.bus.redis import RedisBus, channel_of
from server.bus.seal import Seal
from tests.parts import RedisServer
from tests.promises.client import PATIENCE
from tests.promises.nodes.bus_steps import comment, received, shared, two, watched


async def test_nobody_who_reads_redis_reads_the_steps(
    migrated_url: str, redis_server: RedisServer, eavesdropper: Any
) -> None:
    buses = RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")
    async with two(migrated_url, *buses) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        kept = await eavesdropper(redis_server.url, scene.event)
        await shared(one, scene.event)
        await comment(scene, proposal, "a word that nobody else may read")
        ack = await scene.vote(scene.members[1], proposal)
        await room.reached(ack["seq"])
        sealed = [found for data in kept if (found := msgspec.json.decode(data).get("steps"))]
        assert sealed
        texts = [msgspec.convert(text, bytes) for text in sealed]
        for secret in ("word", "votes", proposal, scene.members[1].user, "member"):
            assert not any(secret.encode() in text for text in (*kept, *texts)), secret


@pytest.mark.usefixtures("no_sweep")
async def test_of_ten_thousand_forged_steps_none_is_delivered(
    migrated_url: str, redis_server: RedisServer, eavesdropper: Any
) -> None:
    buses = RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")
    async with two(migrated_url, *buses) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        elsewhere, _, its_room, its_proposal = await watched(one, other)
        kept = await eavesdropper(redis_server.url, scene.event)
        theirs = await eavesdropper(redis_server.url, elsewhere.event)
        await asyncio.gather(shared(one, scene.event), shared(one, elsewhere.event))
        # First genuine ones: of this event, and of another one at the same position.
        for client in scene.members:
            await room.reached((await scene.vote(client, proposal))["seq"])
        while its_room.seq <= room.seq:
            await its_room.reached(await comment(elsewhere, its_proposal))
        true = [data for data in kept if b'"steps":' in data]
        foreign = [data for data in theirs if b'"steps":' in data]
        assert true
        assert foreign
        stranger = Seal()
        stranger.use(bytes(32))
        state, seen = dict(room.state), len(watcher.received)
        patch = {"proposals": {proposal: {"agree": 1_000, "status": "accepted"}}}
        dice = random.Random(18)
        async with Redis.from_url(redis_server.url) as forger:
            pipe = forger.pipeline(transaction=False)
            for number in range(10_000):
                step = [bytes(32), {"member": orjson.dumps(patch)}]
                text = msgspec.msgpack.encode([room.epoch, room.seq, bytes(32), [step]])
                match number % 5:
                    case 0:
                        sealed = stranger.seal("steps", scene.event, text)
                    case 1:
                        sealed = text
                    case 2:
                        sealed = changed(dice, sealed_in(dice.choice(true)))
                    case 3:
                        sealed = sealed_in(dice.choice(true))
                    case _:
                        sealed = sealed_in(dice.choice(foreign))
                forged = {
                    "kind": "hint",
                    "node": "forger",
                    "epoch": room.epoch,
                    "seq": room.seq + number % 2,
                    "steps": sealed,
                }
                pipe.publish(channel_of("test", scene.event), msgspec.json.encode(forged))
            await pipe.execute()
        async with asyncio.timeout(PATIENCE):
            while other.node.bus.refused + received(other).get("known", 0) < 10_000:
                await asyncio.sleep(0.01)
        await room.reached(await comment(scene, proposal, "true"))
        told = [m for m in watcher.received[seen:] if m["type"] in ("diff", "snapshot", "you")]
        assert [list(m["patch"]) for m in told] == [["comments", "counts"]]
        assert room.state["proposals"] == state["proposals"]
        assert other.node.bus.refused == 8_000
        assert received(other)["known"] == 2_000


def sealed_in(data: bytes) -> bytes:
    """The sealed steps of a message."""
    sealed: bytes = msgspec.convert(msgspec.json.decode(data)["steps"], bytes)
    return sealed


def changed(dice: random.Random, sealed: bytes) -> bytes:
    """The same with one bit changed."""
    at = dice.randrange(len(sealed))
    return sealed[:at] + bytes([sealed[at] ^ 1 << dice.randrange(8)]) + sealed[at + 1 :]


@pytest.mark.usefixtures("no_sweep")
async def test_one_users_own_patches_reach_that_user_alone(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses = RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")
    async with two(migrated_url, *buses) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        second = await (await other.connect(scene.members[1].user)).subscribe(scene.event)
        await shared(one, scene.event)
        await room.reached(await comment(scene, proposal))
        yours = len(room.yours)
        ack = await scene.vote(scene.members[1], proposal)
        await asyncio.gather(room.reached(ack["seq"]), second.reached(ack["seq"]))
        assert received(other)["taken"] >= 2
        assert second.you["votes"] == {proposal: 1}
        assert room.yours[yours:] == []
