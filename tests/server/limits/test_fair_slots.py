"""Places are shared by networks: the network with the most places gives up its oldest."""

from __future__ import annotations

import random

import pytest

from server.limits.addresses import network_of
from server.limits.admissions import Admissions
from server.limits.fair_slots import SLOT_GRACE_TTL_S, FairSlots


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_addresses_that_one_machine_can_have_count_as_one(one: str, other: str) -> None:
    assert network_of(one) == network_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
        ("", "192.0.2.1"),
        ("a name", "another name"),
    ],
)
def test_addresses_of_different_machines_count_apart(one: str, other: str) -> None:
    assert network_of(one) != network_of(other)


def test_the_oldest_of_the_largest_gives_way_to_a_newcomer_from_elsewhere() -> None:
    places: FairSlots[int] = FairSlots()
    for holder, group in enumerate("abbbaa"):
        places.enter(holder, group, float(holder))
    places.enter(6, "b", 6.0)
    # At once, however recently it came.
    assert places.one_to_give_way("c", 0.0) == 1
    assert places.one_to_give_way("a", 0.0) is None
    places.leave(1)
    places.leave(2)
    assert places.one_to_give_way("c", 0.0) == 0


def test_a_newcomer_of_the_largest_takes_only_a_place_that_was_had_long_enough() -> None:
    places: FairSlots[str] = FairSlots()
    places.enter("first", "a", 0.0)
    places.enter("second", "a", 0.5)
    assert places.one_to_give_way("a", SLOT_GRACE_TTL_S / 2) is None
    assert places.one_to_give_way("a", SLOT_GRACE_TTL_S) == "first"


def test_one_each_and_a_newcomer_waits_for_the_oldest_as_well() -> None:
    places: FairSlots[str] = FairSlots()
    for moment, group in enumerate(("a", "b", "c")):
        places.enter(group, group, moment / 10)
    assert places.one_to_give_way("d", SLOT_GRACE_TTL_S / 2) is None
    assert places.one_to_give_way("d", SLOT_GRACE_TTL_S) == "a"


def test_nobody_gives_way_where_nobody_is() -> None:
    places: FairSlots[str] = FairSlots()
    assert places.one_to_give_way("a", 9.0) is None
    places.enter("one", "a", 0.0)
    places.leave("one")
    places.leave("one")
    assert places.one_to_give_way("a", 9.0) is None
    assert not len(places)


def test_the_largest_is_always_known_and_nothing_is_kept_of_those_who_left() -> None:
    chance = random.Random(12)
    places: FairSlots[int] = FairSlots()
    held: dict[int, str] = {}
    for number in range(20_000):
        if held and (len(held) > 200 or chance.random() < 0.48):
            gone = chance.choice(list(held))
            places.leave(gone)
            del held[gone]
        else:
            group = chance.choice("aaaabbbccd")
            places.enter(number, group, float(number))
            held[number] = group
        sizes = {group: list(held.values()).count(group) for group in "abcd"}
        assert {group: places.count(group) for group in "abcd"} == sizes
        found = places.one_to_give_way("another", float("inf"))
        assert found is None if not held else sizes[held[found or 0]] == max(sizes.values())
    for holder in list(held):
        places.leave(holder)
    assert not places._groups
    assert not places._by_size
    assert places._largest == 0


def test_one_network_has_the_whole_rate_but_never_its_last_part() -> None:
    admissions = Admissions(1_000, 0.0)
    taken = sum(admissions.take("one", 0.0) for _ in range(2_000))
    assert taken == 750
    # Another network gets in at once, though the first keeps trying.
    assert all(admissions.take("other", 0.0) for _ in range(200))
    # Alone, it gets the whole rate.
    later = [admissions.take("one", 1.0 + n / 10_000) for n in range(10_000)]
    assert 700 <= sum(later) <= 2_000


def test_the_networks_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.limits.admissions.MAX_ADMITTED_NETWORKS", 3)
    admissions = Admissions(1_000, 0.0)
    for number in range(100):
        admissions.take(str(number), 0.0)
    assert len(admissions._networks) == 3
