"""Living nodes: which nodes count as living, for how long, and which is an event's home."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest

from server.bus import living_nodes
from server.bus.living_nodes import BEAT_TTL_S, NODES_CHANNEL, LivingNodes
from server.bus.memory import MemoryBus

EVENTS = [f"event {number}" for number in range(3_000)]


class Deployment:
    """Nodes on one bus in memory, with the test's clock."""

    def __init__(self) -> None:
        self.group: set[MemoryBus] = set()
        self.now = 1_000.0
        self.nodes: list[LivingNodes] = []

    async def add(self, *, version: str = "1", ahead: float = 0.0, is_home: bool = True) -> str:
        """Start a node, whose own clock may be ahead of the test's; return its name."""
        bus = MemoryBus(self.group)
        await bus.start(lambda message: None)
        node = LivingNodes(bus, version, clock=lambda: self.now + ahead)
        self.nodes.append(node)
        if is_home:
            node.offer()
        bus.listen(NODES_CHANNEL, node._on_letter)
        await self.settle()
        return bus.node

    async def settle(self) -> None:
        """Deliver the posted messages, and the answers to them."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def passes(self, seconds: float, *silent: LivingNodes) -> None:
        """Let time pass, with the beats of all nodes but the ``silent``."""
        for _ in range(round(seconds * 2)):
            self.now += 0.5
            for node in self.nodes:
                if node not in silent:
                    await node._beat()
            await self.settle()


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


async def test_a_node_alone_has_no_homes(deployment: Deployment) -> None:
    await deployment.add()
    assert deployment.nodes[0].home_of("e") is None
    assert deployment.nodes[0].others == []


async def test_all_nodes_name_the_same_homes_and_each_has_its_share(deployment: Deployment) -> None:
    names = [await deployment.add(ahead=number * 1_000.0) for number in range(4)]
    one, *others = [[node.home_of(event) for event in EVENTS] for node in deployment.nodes]
    assert all(found == one for found in others)
    shares = Counter(one)
    assert set(shares) == set(names)
    assert min(shares.values()) > len(EVENTS) / 4 * 0.8


async def test_a_node_that_comes_or_goes_moves_its_own_share_only(deployment: Deployment) -> None:
    for _ in range(3):
        await deployment.add()
    first = deployment.nodes[0]
    before = [first.home_of(event) for event in EVENTS]
    newcomer = await deployment.add()
    after = [first.home_of(event) for event in EVENTS]
    assert {new for old, new in zip(before, after, strict=True) if old != new} == {newcomer}
    deployment.nodes[-1].leave()
    await deployment.settle()
    assert [first.home_of(event) for event in EVENTS] == before
    assert newcomer in first.others, "it gives up its homes, and still lives"
    deployment.nodes[-1].offer()
    await deployment.settle()
    assert [first.home_of(event) for event in EVENTS] == before


async def test_a_silent_node_is_gone_after_its_time(deployment: Deployment) -> None:
    await deployment.add()
    await deployment.add()
    one, other = deployment.nodes
    await deployment.passes(60)
    assert one.others
    assert one.homes
    await deployment.passes(BEAT_TTL_S + 1, other)
    assert not one.others
    assert not one.homes
    await deployment.passes(1)
    assert one.others


async def test_a_node_that_says_goodbye_is_gone_at_once(deployment: Deployment) -> None:
    await deployment.add()
    await deployment.add()
    one, other = deployment.nodes
    await other.stop()
    await deployment.settle()
    assert not one.others


async def test_nodes_of_another_version_live_and_are_no_homes(deployment: Deployment) -> None:
    names = [await deployment.add(version=version) for version in ("1", "1", "2")]
    assert len(deployment.nodes[0].others) == 2
    assert deployment.nodes[0].homes == tuple(sorted(names[:2]))
    assert deployment.nodes[2].homes == ()


async def test_a_node_that_forwards_nothing_is_no_home(deployment: Deployment) -> None:
    await deployment.add(is_home=False)
    other = await deployment.add()
    assert deployment.nodes[1].homes == ()
    assert deployment.nodes[0].homes == (other,)


async def test_beats_of_before_and_broken_ones_are_not_believed(
    deployment: Deployment,
) -> None:
    await deployment.add()
    await deployment.add()
    one, other = deployment.nodes
    heard = [other._written() for _ in range(5)]
    one._on_letter(heard[-1])
    await deployment.passes(BEAT_TTL_S + 1, other)
    assert not one.others
    for text in (*heard, b"", b"\xff" * 20, msgspec.msgpack.encode(["x" * 65, 1, 0.0, "1", 1, 0])):
        one._on_letter(text)
    assert not one.others
    one._on_letter(other._written())
    assert one.others


async def test_a_message_is_late_by_what_the_quickest_one_did_not_need(
    deployment: Deployment,
) -> None:
    await deployment.add()
    name = await deployment.add(ahead=5_000.0)
    one = deployment.nodes[0]
    written = deployment.now + 5_000.0
    assert one.lateness(name, written) == pytest.approx(0)
    deployment.now += 3
    assert one.lateness(name, written) == pytest.approx(3)
    assert one.lateness(name, written + 3) == pytest.approx(0)
    assert one.lateness("a stranger", written) is None


async def test_clocks_that_drift_apart_make_nothing_late(deployment: Deployment) -> None:
    await deployment.add()
    name = await deployment.add()
    one, other = deployment.nodes
    drift = 0.0
    other._clock = lambda: deployment.now - drift
    for _ in range(20):
        drift += 0.1
        await deployment.passes(living_nodes.TRANSIT_WINDOW_S / 2)
    assert (one.lateness(name, other._clock()) or 0) < 0.5


async def test_no_more_nodes_are_known_than_the_bound(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(living_nodes, "MAX_NODES", 2)
    for _ in range(4):
        await deployment.add()
    assert len(deployment.nodes[0].others) == 2
