"""The instant runoff, round by round, compared with the domain's rules and a second count."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.rules.results import instant_runoff
from tests.model.counting import runoff

OPTIONS = list("abcde")
BALLOT = st.permutations(OPTIONS).flatmap(
    lambda order: st.integers(1, len(order)).map(lambda length: list(order)[:length])
)


def counted(options: str, *ballots: str) -> tuple[list[tuple[str, int, str]], str]:
    """Each round as ("a2 b1", exhausted, who goes out), and the winners."""
    rounds, winners = instant_runoff(list(options), ballots)
    told = [
        (
            " ".join(f"{id}{votes}" for id, votes in round.votes.items()),
            round.exhausted,
            "".join(round.out),
        )
        for round in rounds
    ]
    return told, "".join(winners)


@pytest.mark.parametrize(
    ("options", "ballots", "rounds", "winners"),
    [
        ("ab", ["a", "ab", "b"], [("a2 b1", 0, "")], "a"),
        # Half is not a majority.
        ("ab", ["a", "b"], [("a1 b1", 0, "")], "ab"),
        # No ballot, and no option.
        ("ab", [], [("a0 b0", 0, "")], "ab"),
        ("a", [], [("a0", 0, "")], "a"),
        ("", [], [], ""),
        ("ab", ["b"], [("a0 b1", 0, "")], "b"),
        # A ballot moves to its next option; without one it is exhausted.
        ("abc", ["a", "a", "b", "b", "cb"], [("a2 b2 c1", 0, "c"), ("a2 b3", 0, "")], "b"),
        ("abc", ["a", "a", "a", "b", "b", "c", "c"], [("a3 b2 c2", 0, "bc"), ("a3", 4, "")], "a"),
        # Options without a first place go out together.
        ("abcd", ["a", "b"], [("a1 b1 c0 d0", 0, "cd"), ("a1 b1", 0, "")], "ab"),
        # b and c are equal in the second round; in the first round b had fewer.
        (
            "abcd",
            ["a"] * 4 + ["b", "b"] + ["c"] * 3 + ["db"],
            [("a4 b2 c3 d1", 0, "d"), ("a4 b3 c3", 0, "b"), ("a4 c3", 3, "")],
            "a",
        ),
        # All are equal in every round: they are tied.
        ("abc", ["abc", "bca", "cab"], [("a1 b1 c1", 0, "")], "abc"),
    ],
)
def test_a_ranked_count(
    options: str, ballots: list[str], rounds: list[tuple[str, int, str]], winners: str
) -> None:
    assert counted(options, *ballots) == (rounds, winners)


def test_among_three_equals_the_latest_earlier_round_decides_then_the_one_before() -> None:
    """b, c and d are equal in the third round; c and d had fewer in the second, d in the first."""
    ballots = ["a"] * 10 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2 + ["ed", "fc", "fd"]
    rounds, _ = counted("abcdef", *ballots)
    assert rounds[:3] == [
        ("a10 b4 c3 d2 e1 f2", 0, "e"),
        ("a10 b4 c3 d3 f2", 0, "f"),
        ("a10 b4 c4 d4", 0, "d"),
    ]


@settings(max_examples=500, deadline=None)
@given(st.lists(BALLOT, max_size=12), st.integers(1, len(OPTIONS)))
def test_the_count_is_that_of_a_second_one(ballots: list[list[str]], live: int) -> None:
    """Removed options are skipped in the ballots."""
    options = OPTIONS[:live]
    rounds, winners = instant_runoff(options, ballots)
    told, won = runoff(options, ballots)
    assert winners == won
    assert [(r.votes, r.exhausted, r.out) for r in rounds] == [
        (row["counts"], row["exhausted"], row["out"]) for row in told
    ]
    assert all(sum(r.votes.values()) + r.exhausted == len(ballots) for r in rounds)
