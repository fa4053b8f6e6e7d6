"""Letters about wrong codes: taken once, in order, and of living nodes."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from server.bus.memory import MemoryBus
from server.limits.code_guesses import GUESS_BURST, CodeGuessLimiter
from server.totals import shared_guesses
from server.totals.shared_guesses import MAX_LATENESS_S, SharedGuesses


class Nodes:
    """The living nodes, as far as letters are judged by them."""

    def __init__(self) -> None:
        self.late: dict[str, float] = {"other": 0.0}

    @property
    def others(self) -> list[str]:
        return list(self.late)

    def lives(self, node: str) -> bool:
        return node in self.late

    def lateness(self, node: str, at: float) -> float | None:
        return self.late.get(node)


class Bus(MemoryBus):
    """Keeps what is posted."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[Any] = []

    def post(self, channel: str, writer: Any) -> None:
        self.posted.append(writer)


class Node:
    """One node's count."""

    def __init__(self) -> None:
        self.bus, self.nodes, self.limiter = Bus(), Nodes(), CodeGuessLimiter()
        nodes: Any = self.nodes
        self.shared = SharedGuesses(self.bus, nodes)
        self.shared.share("user", self.limiter)

    def hear(self, number: int, *tried: Any, node: str = "other") -> None:
        self.shared._on_letter(msgspec.msgpack.encode([node, number, 0.0, tried]))

    def left(self, user: str) -> float:
        bucket = self.limiter._buckets.get(user)
        if bucket is None:
            return GUESS_BURST
        bucket.has(time.monotonic())
        return round(bucket._tokens)


def test_a_letter_is_taken_once_and_none_from_before_it() -> None:
    node = Node()
    node.hear(2, ("user", "ada", 3))
    node.hear(2, ("user", "ada", 3))
    node.hear(1, ("user", "ada", 3))
    assert node.left("ada") == GUESS_BURST - 3
    node.hear(3, ("user", "ada", 3), ("unknown", "ada", 3))
    assert node.left("ada") == GUESS_BURST - 6
    node.hear(4, ("user", "ada", GUESS_BURST), ("user", "ada", GUESS_BURST))
    assert node.left("ada") == -GUESS_BURST, "a debt has a bound"


def test_letters_that_are_late_of_strangers_or_unreadable_do_nothing() -> None:
    node = Node()
    node.hear(1, ("user", "ada", 3), node="stranger")
    node.hear(1, ("user", "ada", GUESS_BURST + 1))
    node.hear(1, ("user", "ada", 0))
    node.nodes.late["other"] = MAX_LATENESS_S + 1
    node.hear(1, ("user", "ada", 3))
    node.shared._on_letter(b"\xc1")
    node.shared._on_letter(None)
    assert node.left("ada") == GUESS_BURST


def test_wrong_codes_gather_for_a_letter_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_guesses, "MAX_NAMED", 2)
    monkeypatch.setattr(shared_guesses, "MAX_UNNAMED", 3)
    node = Node()
    for user in ("ada", "bob", "cyd", "dan", "ada"):
        node.limiter.failed(user)
    assert len(node.bus.posted) == 4
    write = node.bus.posted[0]
    named = [msgspec.msgpack.decode(write())[3] for _ in range(2)]
    assert named == [[["user", "ada", 2], ["user", "bob", 1]], [["user", "cyd", 1]]]
    assert write() is None


def test_a_node_alone_writes_no_letters() -> None:
    node = Node()
    node.nodes.late.clear()
    node.limiter.failed("ada")
    assert node.bus.posted == []
