"""Presence summed over nodes: who counts, how often, for how long; with the test's clock."""

from __future__ import annotations

from typing import Any

import pytest

from server.bus.memory import MemoryBus
from server.bus.port import MAX_FINGERPRINTS, BusMessage, PresenceReport
from server.rooms.presence import MAX_NODES, REPORT_INTERVAL_S, REPORT_TTL_S, Presence
from server.rooms.room import Room
from server.rooms.subscription import Subscription
from tests.server.rooms.outlets import EagerOutlet

EVENT = "0190a4d2-9f0e-5c5e-9d0a-617965732e31"


class Site:
    """A node, reduced to presence: a bus, and one room with people in it."""

    def __init__(self, group: set[MemoryBus], members: int = 10_000) -> None:
        self.bus = MemoryBus(group)
        self.presence = Presence(self.bus)
        self.room = Room(EVENT)
        self.room.document = {"counts": {"members": members}}
        self.told: list[PresenceReport] = []
        self.now = 0.0
        self._sockets: list[Subscription] = []

    async def start(self) -> Site:
        await self.bus.start(self._hear)
        self.bus.subscribe(EVENT)
        self.presence.begin(self.room)
        return self

    def _hear(self, told: BusMessage) -> None:
        assert isinstance(told, PresenceReport)
        self.told.append(told)
        self.presence.on_report(self.room, told, self.now)

    def comes(self, *users: str) -> None:
        for user in users:
            subscription = Subscription(self.room, user, EagerOutlet(), lambda *_: None)
            subscription.live = True
            self.room.enter(subscription)
            self._sockets.append(subscription)
        self.presence.touch(self.room)

    def goes(self, user: str) -> None:
        subscription = next(s for s in self._sockets if s.user == user)
        self._sockets.remove(subscription)
        self.room.leave(subscription)
        self.presence.touch(self.room)

    def turn(self, now: float) -> bool:
        """Advance by a second; return whether this node's sockets would get the count."""
        self.now = now
        return self.room in self.presence.tick(now)

    @property
    def online(self) -> int:
        return self.presence.online(self.room)


async def sites(count: int, **options: Any) -> list[Site]:
    group: set[MemoryBus] = set()
    return [await Site(group, **options).start() for _ in range(count)]


def turns(*nodes: Site, now: float) -> None:
    for node in nodes:
        node.turn(now)


async def test_the_count_is_the_sum_and_somebody_on_two_nodes_counts_once() -> None:
    one, other, third = await sites(3)
    one.comes("ada", "ben", "ben")
    other.comes("ada", "cleo")
    third.comes("dan")
    turns(one, other, third, now=1.0)
    turns(one, other, third, now=2.0)
    assert [node.online for node in (one, other, third)] == [4, 4, 4]
    other.goes("ada")
    other.turn(3.0)
    assert one.online == 4
    one.goes("ada")
    one.turn(4.0)
    assert [one.online, other.online, third.online] == [3, 3, 3]


async def test_who_comes_late_is_told_what_the_others_have() -> None:
    group: set[MemoryBus] = set()
    one = await Site(group).start()
    one.comes("ada")
    turns(one, now=1.0)
    late = await Site(group).start()
    late.comes("ben")
    one.now = 100.0
    late.turn(100.0)
    one.turn(100.5)
    assert one.online == late.online == 2
    assert late.turn(101.0), "its sockets are told"


async def test_the_count_of_a_dead_node_ages_out() -> None:
    one, other = await sites(2)
    one.comes("ada")
    other.comes("ben")
    turns(one, other, now=1.0)
    assert one.online == 2
    for second in range(2, int(REPORT_TTL_S)):
        one.turn(float(second))
    assert one.online == 2
    assert one.turn(1.0 + REPORT_TTL_S)
    assert one.online == 1


async def test_who_does_not_move_is_told_again_before_that() -> None:
    one, other = await sites(2)
    one.comes("ada")
    other.comes("ben")
    for second in range(1, int(4 * REPORT_TTL_S)):
        turns(one, other, now=float(second))
    assert one.online == other.online == 2
    assert len(one.told) <= 4 * REPORT_TTL_S / REPORT_INTERVAL_S + 2, "no more than it takes"


async def test_the_last_to_leave_a_node_is_taken_off_at_once() -> None:
    one, other = await sites(2)
    one.comes("ada")
    other.comes("ben")
    turns(one, other, now=1.0)
    other.goes("ben")
    other.presence.end(other.room)
    assert one.turn(2.0)
    assert one.online == 1


async def test_nobody_tells_of_a_room_twice_in_a_turn_or_without_a_reason() -> None:
    one, other = await sites(2)
    for number in range(100):
        one.comes(f"user {number}")
    turns(one, other, now=1.0)
    assert len(other.told) == 1
    turns(one, other, now=2.0)
    before = len(other.told)
    turns(one, other, now=3.0)
    assert len(other.told) == before


async def test_a_lone_node_tells_when_somebody_comes_and_is_silent_after_that() -> None:
    group: set[MemoryBus] = set()
    one = await Site(group).start()
    told: list[BusMessage] = []
    eavesdropper = MemoryBus(group)
    await eavesdropper.start(told.append)
    eavesdropper.subscribe(EVENT)
    one.comes("ada")
    for second in range(100):
        one.turn(float(second))
    assert len(told) == 1


async def test_beyond_the_named_a_number_is_told_alone() -> None:
    one, other = await sites(2)
    one.comes(*(f"user {number}" for number in range(MAX_FINGERPRINTS + 1)))
    other.comes("user 0", "somebody else")
    turns(one, other, now=1.0)
    turns(one, other, now=2.0)
    assert other.told[-1].fingerprints is None
    # "user 0" counts twice: the price of a small message.
    assert one.online == other.online == MAX_FINGERPRINTS + 3


async def test_what_is_forged_never_exceeds_the_members_nor_hides_who_is_here() -> None:
    (one,) = await sites(1, members=7)
    one.comes("ada", "ben")
    one.presence.on_report(one.room, PresenceReport(EVENT, "forger", 900_000, None), 0.0)
    assert one.online == 7
    for number in range(10_000):
        one.presence.on_report(one.room, PresenceReport(EVENT, f"forger {number}", 1, None), 0.0)
    assert len(one.presence._shared[one.room].nodes) == MAX_NODES
    for number in range(10_000):
        gone = PresenceReport(EVENT, f"forger {number}", 0, frozenset())
        one.presence.on_report(one.room, gone, 0.0)
    one.presence.on_report(one.room, PresenceReport(EVENT, "forger", 0, frozenset()), 0.0)
    assert one.online == 2


@pytest.mark.parametrize("name", ["ada", "ada@example.org"])
async def test_no_name_goes_out_and_no_mark_is_the_same_in_two_events(name: str) -> None:
    one, other = await sites(2)
    one.comes(name)
    one.turn(1.0)
    marks = other.told[-1].fingerprints
    assert marks is not None
    elsewhere = Room("another event")
    for subscription in one.room.subscriptions:
        elsewhere.enter(subscription)
    one.presence.touch(elsewhere)
    heard: list[BusMessage] = []
    eavesdropper = MemoryBus({one.bus})
    one.bus._others.add(eavesdropper)
    await eavesdropper.start(heard.append)
    eavesdropper.subscribe("another event")
    one.turn(2.0)
    assert isinstance(heard[-1], PresenceReport)
    assert heard[-1].fingerprints
    assert heard[-1].fingerprints.isdisjoint(marks)
    assert not any(name.encode() in mark for mark in marks)
