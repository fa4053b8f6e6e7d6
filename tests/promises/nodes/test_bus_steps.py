"""Steps on the bus: a node takes them only if they continue its room and are sealed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import Any

import msgspec
import pytest

from server.bus.memory import MemoryBus
from server.bus.port import MAX_STEPS_BYTES, BusMessage, PositionHint
from server.bus.redis import MAX_PLAIN_BYTES, RedisBus
from server.rooms.filling import Filler
from tests.parts import RedisServer
from tests.promises.client import PATIENCE
from tests.promises.nodes.bus_steps import comment, received, shared, two, watched
from tests.promises.scenes import gathering


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


#: Messages of each kind.
UNRULY = 10_000


@pytest.mark.usefixtures("no_sweep")
@pytest.mark.parametrize("kind", ["repeated", "late", "reordered"])
async def test_of_ten_thousand_unruly_steps_none_is_shown_twice_or_out_of_order(
    migrated_url: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, dice, reads = Line(), random.Random(kind), 0
    fill = Filler.fill_from_journal

    async def counted(self: Filler, room: Any) -> None:
        nonlocal reads
        reads += 1
        await fill(self, room)

    async with two(migrated_url, MemoryBus(line.group), MemoryBus()) as (one, other):
        scene, watcher, room, proposal = await watched(one, other)
        start, epoch = await comment(scene, proposal), room.epoch
        other.node.rooms._on_message(PositionHint(scene.event, epoch, start))
        await room.reached(start)
        await line.listen(scene.event)
        for number in range(40):
            await comment(scene, proposal, f"comment {number}")
        sent = list(line.sent)
        monkeypatch.setattr(Filler, "fill_from_journal", counted)
        unruly = dice.choices(sent, k=UNRULY)
        if kind == "repeated":
            # In their order, so that the first of each are taken.
            unruly = (sent * (UNRULY // len(sent) + 1))[:UNRULY]
        elif kind == "late":
            # After the room has got there without them.
            other.node.rooms._on_message(sent[-1]._replace(steps=b""))
            await room.reached(sent[-1].seq)
        for message in unruly:
            other.node.rooms._on_message(message)
            if dice.random() < 0.01:
                await asyncio.sleep(0)
        await room.reached(sent[-1].seq)
        outcomes = received(other)
        assert sum(outcomes.values()) == UNRULY
        taken = outcomes.get("taken", 0)
        match kind:
            case "repeated":
                assert (taken, reads) == (len(sent), 0)
            case "late":
                assert (taken, reads) == (0, 1)
            case _:
                # Some come at their place; the first that does not is followed by a read.
                assert taken <= len(sent)
                assert 1 <= reads <= 2
        # The client checks each diff; and a true step behind them is shown as any other.
        last = await comment(scene, proposal, "true")
        other.node.rooms._on_message(line.sent[-1])
        await room.reached(last)
        assert len(room.state["comments"]) == 42
        fresh = await (await one.connect(watcher.user)).subscribe(scene.event)
        assert (room.state, room.you, room.seq) == (fresh.state, fresh.you, fresh.seq)


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
