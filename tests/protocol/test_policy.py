"""The policy: defaults, and merge patches on it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from protocol.errors import RetryableError
from protocol.policy import KindPolicy, Policy, PolicyPatch, merge_policy
from tests.promises.fold import fold


def patch(**fields: Any) -> PolicyPatch:
    return msgspec.convert(fields, PolicyPatch)


def test_the_seed_platform_s_defaults() -> None:
    policy = Policy()
    assert [policy.of(kind).rule for kind in ("assumption", "criterion", "conclusion")] == [
        *("count", "count", "percent")
    ]
    assert policy.membership_auto is False
    optional = ("quorum_percent", "min_open_seconds", "ttl_seconds", "proposer_votes")
    assert all(getattr(policy, name) is None for name in optional)


def test_what_is_left_out_stays() -> None:
    policy = merge_policy(Policy(), patch(quorum_percent=50, assumption={"threshold": 7}))
    assert policy.assumption == KindPolicy(auto=True, rule="count", threshold=7)
    assert policy.criterion == Policy().criterion
    assert merge_policy(policy, patch()) == policy
    assert merge_policy(policy, patch(quorum_percent=None)).quorum_percent is None


@pytest.mark.parametrize("kind", ["assumption", "criterion", "conclusion"])
def test_a_percentage_is_at_most_100_however_it_comes_about(kind: str) -> None:
    counted = merge_policy(Policy(), patch(**{kind: {"rule": "count", "threshold": 101}}))
    assert getattr(counted, kind).threshold == 101
    for step in (
        {"rule": "percent", "threshold": 101},
        {"rule": "percent"},
    ):
        start = merge_policy(Policy(), patch(**{kind: {"rule": "count", "threshold": 101}}))
        with pytest.raises(RetryableError) as caught:
            merge_policy(start, patch(**{kind: step}))
        assert caught.value.details == {"path": f"policy.{kind}.threshold"}


def test_merging_is_merge_patch() -> None:
    whole = Policy()
    for given in (
        {"assumption": {"auto": False}},
        {"criterion": {"rule": "percent", "threshold": 1}, "ttl_seconds": 0},
        {"ttl_seconds": None, "proposer_votes": True, "membership_auto": True},
        {"proposer_votes": False, "min_open_seconds": 31_536_000},
    ):
        expected = fold(whole_of(whole), given)
        whole = merge_policy(whole, patch(**given))
        assert whole_of(whole) == expected


def whole_of(policy: Policy) -> dict[str, Any]:
    """The policy as plain values, defaults included, what is off absent."""
    plain = {
        name: msgspec.structs.asdict(value) if isinstance(value, KindPolicy) else value
        for name, value in msgspec.structs.asdict(policy).items()
    }
    return {name: value for name, value in plain.items() if value is not None}
