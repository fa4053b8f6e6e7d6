"""Steps on the bus: a node takes them only if they continue its room and are sealed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import orjson
import pytest
from redis.asyncio import Redis

from server.bus.memory import MemoryBus
from server.bus.port import MAX_STEPS_BYTES, Bus, BusMessage, PositionHint
from server.bus.redis import MAX_PLAIN_BYTES, RedisBus, channel_of
from server.bus.seal import Seal
from tests.parts import RedisServer
from tests.promises.client import PATIENCE, Client, Room
from tests.promises.running import Running, running
from tests.promises.scenes import Scene, gathering

#: Seconds without a sweep: only the bus and the reads that it causes bring steps.
NEVER = 3_600.0


@pytest.fixture
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only messages move rooms."""
    monkeypatch.setattr("server.rooms.registry.SWEEP_INTERVAL_S", NEVER)


class OlderBus(RedisBus):
    """The bus of the previous version: it sends and understands hints alone."""

    class _Hint(msgspec.Struct, tag_field="kind", tag="hint"):
        node: str
        epoch: str
        seq: int

    class _Report(msgspec.Struct, tag_field="kind", tag="headcount"):
        node: str
        online: int
        marks: bytes | None = None
        asks: bool = False

    def use_key(self, key: bytes) -> None:
        """Do nothing: the previous version has no key."""

    def _read(self, event: str, data: bytes) -> BusMessage | None:
        if len(data) > MAX_PLAIN_BYTES:
            return None
        message = msgspec.json.decode(data, type=self._Hint | self._Report)
        if message.node == self.node or not isinstance(message, self._Hint):
            return None
        return PositionHint(event, message.epoch, message.seq)


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


@pytest.mark.usefixtures("no_sweep")
async def test_a_step_of_another_node_is_shown_without_a_read_of_the_journal(
    migrated_url: str, redis_of_a_kind: str
) -> None:
    buses = RedisBus(redis_of_a_kind, "test"), RedisBus(redis_of_a_kind, "test")
    async with two(migrated_url, *buses) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        await shared(one, scene.event)
        await room.reached(await comment(scene, proposal))
        before, fills = received(other), sum(other.node.counters.fills.values())
        for client in scene.members:
            ack = await scene.vote(client, proposal)
            await room.reached(ack["seq"])
        assert received(other)["taken"] - before.get("taken", 0) == 3
        assert sum(other.node.counters.fills.values()) == fills
        # The watcher's own vote, cast on the other node, is in ``you``.
        assert room.you["votes"] == {proposal: 1}
        fresh = await (await other.connect(watcher.user)).subscribe(scene.event)
        assert (room.state, room.you, room.seq) == (fresh.state, fresh.you, fresh.seq)


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


class Line:
    """A node's messages, held, so that a test delivers them in any order."""

    def __init__(self) -> None:
        self.sent: list[PositionHint] = []
        self.group: set[MemoryBus] = set()

    async def listen(self, event: str) -> MemoryBus:
        """A bus for the sender; from now on its hints about ``event`` are held."""
        ear = MemoryBus(self.group)
        ear.subscribe(event)
        await ear.start(self._keep)
        return ear

    def _keep(self, message: BusMessage) -> None:
        if isinstance(message, PositionHint):
            self.sent.append(message)


@pytest.mark.usefixtures("no_sweep")
@pytest.mark.parametrize("seed", range(10))
async def test_lost_late_repeated_and_reordered_steps_cost_only_reads(
    migrated_url: str, seed: int
) -> None:
    line, dice = Line(), random.Random(seed)
    async with two(migrated_url, MemoryBus(line.group), MemoryBus()) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        await line.listen(scene.event)
        for number in range(20):
            client = dice.choice(scene.members)
            if number % 3:
                await comment(scene, proposal, f"comment {number}")
            else:
                await client.ack("vote.cast", event=scene.event, proposal=proposal, revision=1)
        sent = line.sent
        assert all(message.steps for message in sent)
        unruly = [m for m in sent for _ in range(dice.choice([0, 1, 1, 1, 2]))]
        for _ in range(len(unruly) // 2):
            at = dice.randrange(len(unruly) - 3)
            unruly[at : at + 3] = dice.sample(unruly[at : at + 3], 3)
        for message in [*unruly, sent[-1]]:
            other.node.rooms._on_message(message)
            if dice.random() < 0.5:
                await asyncio.sleep(0)
        await room.reached(sent[-1].seq)
        # The client checks each diff: none came twice, too early, or out of order.
        mine = await scene.admin.subscribe(scene.event)
        fresh = await (await one.connect(watcher.user)).subscribe(scene.event)
        assert room.state == fresh.state
        assert room.you == fresh.you
        assert room.seq == mine.seq


@pytest.mark.usefixtures("no_sweep")
async def test_a_step_is_taken_only_at_its_place(migrated_url: str) -> None:
    line = Line()
    async with two(migrated_url, MemoryBus(line.group), MemoryBus()) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        rooms, held = other.node.rooms, other.node.rooms.by_event[scene.event]
        start = (await scene.admin.ack("event.pause", event=scene.event))["seq"]
        rooms._on_message(PositionHint(scene.event, held.epoch, start))
        await room.reached(start)
        await scene.do("event.resume")
        rooms._on_message(PositionHint(scene.event, held.epoch, start := start + 1))
        await room.reached(start)
        other.node.counters.fills.clear()
        await line.listen(scene.event)
        for number in range(4):
            await comment(scene, proposal, f"comment {number}")
        messages = line.sent
        # Out of order, of another epoch, or unreadable; none of them announces a position.
        for bad in (
            messages[1],
            messages[0]._replace(steps=_with(messages[0].steps, 0, "another")),
            messages[0]._replace(steps=_with(messages[0].steps, 2, bytes(32))),
            messages[0]._replace(steps=messages[0].steps[:-1]),
            messages[0]._replace(steps=_unknown_audience(messages[0].steps)),
        ):
            rooms._on_message(bad._replace(epoch=held.epoch, seq=0))
            assert held.seq - start == 0
        assert received(other) == {"gap": 1, "epoch": 1, "hash": 1, "unreadable": 2}
        rooms._on_message(messages[0])
        await room.reached(start + 1)
        # Of two together only the new one; and none twice.
        both = _joined(messages[0].steps, messages[1].steps)
        rooms._on_message(messages[1]._replace(steps=both))
        rooms._on_message(messages[1]._replace(steps=both))
        assert held.seq - start == 2
        outcomes = received(other)
        assert (outcomes["taken"], outcomes["known"]) == (2, 1)
        await room.reached(start + 2)
        assert len(room.state["comments"]) == 2
        assert not other.node.counters.fills
        rooms._on_message(messages[3])
        assert other.node.counters.fills == {"hint": 1}
        await room.reached(messages[3].seq)


def _with(steps: bytes, index: int, value: object) -> bytes:
    fields = msgspec.msgpack.decode(steps)
    fields[index] = value
    return msgspec.msgpack.encode(fields)


def _unknown_audience(steps: bytes) -> bytes:
    fields = msgspec.msgpack.decode(steps)
    fields[3][0][1]["a later version's"] = b"{}"
    return msgspec.msgpack.encode(fields)


def _joined(first: bytes, second: bytes) -> bytes:
    one, two = msgspec.msgpack.decode(first), msgspec.msgpack.decode(second)
    return msgspec.msgpack.encode([*one[:3], one[3] + two[3]])


@pytest.mark.usefixtures("no_sweep")
@pytest.mark.parametrize(
    "kinds", [(RedisBus, OlderBus), (OlderBus, RedisBus)], ids=["old hears new", "new hears old"]
)
async def test_during_an_upgrade_old_and_new_nodes_hear_each_other(
    migrated_url: str, redis_server: RedisServer, kinds: tuple[type[RedisBus], type[RedisBus]]
) -> None:
    buses = [kind(redis_server.url, "test") for kind in kinds]
    async with two(migrated_url, *buses, comment_length=10_000) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        await shared(one, scene.event)
        # Even a step that is larger than a message that an older node reads.
        for size in (1, MAX_PLAIN_BYTES, 1):
            await room.reached(await comment(scene, proposal, "x" * size))
        assert not received(other).get("taken")
        mine = await scene.members[1].subscribe(scene.event)
        assert room.state == mine.state


@pytest.mark.usefixtures("no_sweep")
async def test_steps_too_large_for_a_message_are_read(
    migrated_url: str, redis_server: RedisServer
) -> None:
    buses = RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")
    async with two(migrated_url, *buses) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        await shared(one, scene.event)
        largest = one.node.settings.comment_length
        count = MAX_STEPS_BYTES // largest + 1
        fields = {"event": scene.event, "proposal": proposal, "content": "x" * largest}
        # Together, so that they share a transaction.
        acks = await asyncio.gather(
            *(client.ack("comment.add", **fields) for client in scene.members * count)
        )
        last = max(ack["seq"] for ack in acks)
        await room.reached(last)
        await room.reached(await comment(scene, proposal))
        mine = await scene.members[1].subscribe(scene.event)
        assert room.state == mine.state


async def test_where_nobody_listens_no_steps_are_sent(
    migrated_url: str, redis_server: RedisServer, eavesdropper: Any
) -> None:
    buses = RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")
    async with two(migrated_url, *buses) as (one, _):
        scene = await gathering(one, 1)
        await scene.watch(scene.admin)
        proposal = await scene.propose()
        await scene.vote(scene.members[0], proposal)
        async with asyncio.timeout(PATIENCE):
            while not one.node.bus.is_up:
                await asyncio.sleep(0.05)
        for _ in range(5):
            await comment(scene, proposal)
        assert not one.node.bus.is_shared(scene.event)


async def test_while_redis_stands_still_steps_take_bounded_memory(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.bus.connection.MAX_UNPUBLISHED_BYTES", 10_000)
    bus = RedisBus(redis_server.url, "test")
    async with two(migrated_url, bus, RedisBus(redis_server.url, "test")) as (one, other):
        scene, _, room, proposal = await watched(one, other)
        await shared(one, scene.event)
        assert redis_server.process is not None
        os.kill(redis_server.process.pid, signal.SIGSTOP)
        for _ in range(30):
            await comment(scene, proposal, "x" * 1_000)
        assert not bus.is_shared(scene.event)
        assert bus._servers._waiting_bytes < 20_000  # type: ignore[attr-defined]
        last = await comment(scene, proposal)
        os.kill(redis_server.process.pid, signal.SIGCONT)
        await room.reached(last)
        await shared(one, scene.event)
