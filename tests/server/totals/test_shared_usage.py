"""Letters about users' sockets and queries: taken in order, of living nodes, within bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from server.config.settings import Settings
from server.limits.connections import ConnectionRegistry, Places
from server.limits.quotas import BURST_MS, MS_PER_SECOND, Quotas
from server.totals import shared_usage
from server.totals.shared_usage import (
    MAX_LATENESS_S,
    SETTLE_S,
    USAGE_TTL_S,
    WHOLE_LETTERS,
    SharedUsage,
)
from tests.server.totals.test_shared_guesses import Bus, Nodes

LIMIT = 6


class Socket:
    """A socket as far as it is counted."""

    address = "192.0.2.1"

    def give_way(self) -> None:
        """Nothing."""


class Node:
    """One node's counts, at a clock that the test sets."""

    def __init__(self, name: str = "m", others: tuple[str, ...] = ("other",)) -> None:
        self.now = 100.0
        self.bus, self.nodes = Bus(), Nodes()
        self.bus.node = name
        self.nodes.late = dict.fromkeys(others, 0.0)
        self.quotas = Quotas(lambda: self.now)
        settings = Settings(auth_secret="x" * 64, connections_per_user=LIMIT)
        self.places = ConnectionRegistry[Socket](settings, self.now)
        self.closed: list[tuple[str, Places]] = []
        nodes: Any = self.nodes
        self.shared = SharedUsage(
            self.bus,
            nodes,
            self.places,
            self.quotas,
            lambda user, places: self.closed.append((user, places)),
            clock=lambda: self.now,
        )
        self.places.elsewhere = self.shared.elsewhere
        self.quotas.on_spent = self.shared._on_spent
        self.number = 0

    def comes(self, user: str) -> bool:
        """A socket comes; whether it has a place."""
        socket = Socket()
        self.places.enter(socket, self.now)
        return self.places.assign_user(socket, user)

    def hear(
        self, places: Any, spent: Any = (), *, node: str = "other", number: int | None = None
    ) -> None:
        if number is None:
            self.number = number = self.number + 1
        letter = [node, number, 0.0, places, spent]
        self.shared._on_letter(msgspec.msgpack.encode(letter))

    async def turn(self, seconds: float = 1.0) -> Any:
        """A second passes; return its report."""
        self.now += seconds
        await self.shared._turn()
        if not self.bus.posted:
            return None
        text = self.bus.posted.pop()()
        return None if text is None else msgspec.msgpack.decode(text)[3:]

    def tokens(self, user: str) -> float:
        bucket = self.quotas._account(user).bucket
        bucket.has(self.now)
        return bucket._tokens


async def test_sockets_at_another_node_count_until_it_falls_silent() -> None:
    node = Node()
    node.hear([["ada", LIMIT - 1, 0], ["bob", 2, LIMIT]])
    assert [node.comes("ada") for _ in range(2)] == [True, False]
    assert all(node.comes("bob") for _ in range(LIMIT - 2))
    assert not node.comes("bob")
    assert not node.places.begin_stream("bob", node.now)
    # A letter that says that nothing has changed keeps the counts.
    node.now += USAGE_TTL_S - 0.1
    node.hear(None)
    node.now += USAGE_TTL_S - 0.1
    assert not node.comes("ada")
    node.now += 0.2
    assert node.comes("ada")


async def test_the_counts_of_a_node_that_is_gone_do_not_count() -> None:
    node = Node()
    node.hear([["ada", LIMIT, 0]])
    assert not node.comes("ada")
    node.nodes.late.clear()
    assert node.comes("ada")


async def test_a_letter_is_taken_once_in_its_order_and_only_of_a_living_node() -> None:
    node = Node()
    node.hear([["ada", 3, 0]], number=2)
    node.hear([["ada", 5, 0]], number=2)
    node.hear([["ada", 5, 0]], number=1)
    node.hear([["ada", 5, 0]], node="stranger", number=9)
    node.hear([["ada", -1, 0]], number=9)
    node.hear([["ada", 5, 0]], node="m", number=9)
    node.shared._on_letter(b"\xc1")
    node.shared._on_letter(None)
    node.nodes.late["other"] = MAX_LATENESS_S + 1
    node.hear([["ada", 5, 0]], number=9)
    assert node.shared.elsewhere("ada") == (3, 0)


async def test_after_a_lost_letter_the_counts_grow_old_until_all_is_told_again() -> None:
    node = Node()
    node.hear([["ada", LIMIT, 0]], number=1)
    node.now += USAGE_TTL_S - 0.1
    node.hear(None, number=3)
    node.now += 0.2
    assert node.shared.elsewhere("ada") == (0, 0)
    node.hear([["ada", 2, 0]], number=4)
    assert node.shared.elsewhere("ada") == (2, 0)


async def test_who_is_told_has_several_and_all_is_told_at_intervals() -> None:
    node = Node()
    for user in ("ada", "ada", "bob"):
        node.comes(user)
    assert await node.turn() == [[["ada", 2, 0]], []]
    told = [await node.turn() for _ in range(WHOLE_LETTERS)]
    assert told == [[None, []]] * (WHOLE_LETTERS - 1) + [[[["ada", 2, 0]], []]]


async def test_a_node_with_nothing_to_tell_falls_silent() -> None:
    node = Node()
    node.comes("ada")
    assert [letter for letter in [await node.turn() for _ in range(9)] if letter][-1][1] == []
    assert await node.turn() is None
    node.nodes.late.clear()
    assert await node.turn() is None


async def test_one_letter_names_those_with_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_usage, "MAX_NAMED_USERS", 2)
    node = Node()
    for user, count in (("ada", 3), ("bob", 2), ("cyd", 4)):
        for _ in range(count):
            node.comes(user)
    assert (await node.turn())[0] == [["ada", 3, 0], ["cyd", 4, 0]]


async def test_the_counts_of_few_nodes_only_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_usage, "MAX_COUNTED_NODES", 2)
    node = Node(others=("a", "b", "c"))
    for name in ("a", "b", "c"):
        node.hear([["ada", 2, 0]], node=name, number=1)
    assert node.shared.elsewhere("ada") == (4, 0)
    del node.nodes.late["a"]
    node.hear([["ada", 2, 0]], node="c", number=2)
    assert node.shared.elsewhere("ada") == (4, 0)


@pytest.mark.parametrize(("name", "closed"), [("a", 0), ("z", 4)])
async def test_too_many_that_came_at_once_are_closed_by_one_of_the_nodes(
    name: str, closed: int
) -> None:
    node = Node(name)
    for _ in range(5):
        node.comes("ada")
    node.hear([["ada", 5, 0]])
    await node.turn()
    assert not node.closed, "only what is still too many at the next look is closed"
    node.hear([["ada", 5, 0]])
    await node.turn()
    assert node.closed == ([("ada", (closed, 0))] if closed else [])


async def test_who_is_over_waits_for_the_word_of_the_other_nodes() -> None:
    node = Node()
    node.hear([["ada", LIMIT, 0]])
    asked = asyncio.create_task(node.shared.confirmed("ada"))
    await asyncio.sleep(0)
    await node.turn(SETTLE_S / 2)
    await asyncio.sleep(0)
    assert not asked.done()
    node.now += SETTLE_S
    node.hear([["ada", LIMIT - 2, 0]])
    await node.turn(0)
    await asked
    assert node.comes("ada")
    await node.shared.confirmed("who has nothing elsewhere")


async def test_who_is_over_at_a_silent_node_waits_only_until_it_counts_no_more() -> None:
    node = Node()
    node.hear([["ada", LIMIT, 0]])
    asked = asyncio.create_task(node.shared.confirmed("ada"))
    for _ in range(3):
        await asyncio.sleep(0)
        await node.turn()
    await asked
    assert node.comes("ada")


async def test_queries_at_another_node_are_charged_here_within_a_bound() -> None:
    node = Node()
    node.hear(None, [["ada", 300.0], ["bob", 1e9]])
    assert node.tokens("ada") == BURST_MS - 300
    node.hear(None, [["bob", 1e9]])
    assert node.tokens("bob") == -BURST_MS


async def test_only_who_spends_more_than_a_share_of_the_budget_is_told() -> None:
    node = Node(others=("a", "b", "c"))
    await node.turn()
    share = MS_PER_SECOND / 4
    node.quotas.charge("ada", (share + 1) / 1_000)
    node.quotas.charge("bob", (share - 1) / 1_000)
    ((user, spent),) = (await node.turn())[1]
    assert (user, spent) == ("ada", pytest.approx(share + 1))
    # What was reported, or was too little, is forgotten.
    assert not node.shared._spent


async def test_a_node_without_others_sums_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_usage, "MAX_SPENDING_USERS", 2)
    node = Node(others=())
    await node.turn()
    node.quotas.charge("ada", 1)
    assert not node.shared._spent
    node.nodes.late["other"] = 0.0
    await node.turn()
    for user in ("ada", "bob", "cyd"):
        node.quotas.charge(user, 1)
    assert set(node.shared._spent) == {"ada", "bob"}
