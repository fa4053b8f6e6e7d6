"""Shares are compared in whole numbers, with the same result as exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from handlers.rules.auto_acceptance import base_of, enough
from protocol.policy import DEFAULT_TERMS, KindPolicy, Terms

#: Every share up to twenty-fourths, and a sample of larger denominators.
SHARES = [(a, b) for b in range(1, 25) for a in range(1, b + 1)]
SHARES += [
    (a, b)
    for b in (97, 100, 499, 997, 999, 1_000)
    for a in (1, b // 3, b // 2, b // 2 + 1, b - 1, b)
]


def rule(a: int, b: int, more_than: bool) -> KindPolicy:
    return KindPolicy(auto=True, rule="share", share=f"{a}/{b}", more_than=more_than, of="members")


@pytest.mark.parametrize("more_than", [False, True])
def test_a_share_is_exact_for_every_count_up_to_500(more_than: bool) -> None:
    for a, b in SHARES:
        asked, share = rule(a, b, more_than), Fraction(a, b)
        assert not enough(asked, agree=0, eligible=0)
        for eligible in range(1, 501):
            part = share * eligible
            least = math.floor(part) + 1 if more_than else math.ceil(part)
            assert not enough(asked, agree=least - 1, eligible=eligible), (a, b, eligible)
            assert enough(asked, agree=least, eligible=eligible), (a, b, eligible)


def test_a_share_of_the_votes_waits_for_the_close() -> None:
    """If votes could decide at any time, the first vote would be all of the votes."""
    of_votes = KindPolicy(auto=True, rule="share", share="1/2", more_than=True, of="votes")
    assert base_of(of_votes, DEFAULT_TERMS) == "members"
    assert base_of(of_votes, Terms(decide="close")) == "votes"
