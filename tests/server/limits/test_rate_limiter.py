"""Budgets by owner and name: repeats are free, memory is bounded, no owner resets their own."""

from __future__ import annotations

import pytest

from server.limits import rate_limiter
from server.limits.rate_limiter import (
    FULL_RETRY_DELAY_MS,
    MAX_BUCKETS,
    MAX_OWNER_SHARE,
    SWEEP_BUCKETS,
    RateLimiter,
)


def test_so_many_at_once_then_by_time() -> None:
    budget = RateLimiter(0.1, 6)
    assert [budget.charge("ada", "e", f"id-{n}", 0.0) for n in range(6)] == [0] * 6
    wait = budget.charge("ada", "e", "id-6", 0.0)
    assert wait == 10_000
    assert budget.charge("ada", "e", "id-6", wait / 1000 - 0.1)
    # A client that waits as long as the answer says is accepted, by the millisecond.
    assert budget.charge("ada", "e", "id-6", wait / 1000) == 0


def test_others_and_other_names_are_counted_apart() -> None:
    budget = RateLimiter(0.1, 1)
    assert budget.charge("ada", "e", "id", 0.0) == 0
    assert budget.charge("ada", "e", "other", 0.0)
    assert budget.charge("bob", "e", "id", 0.0) == 0
    assert budget.charge("ada", "f", "id", 0.0) == 0


def test_an_id_is_charged_once_however_often_it_comes() -> None:
    budget = RateLimiter(0.1, 3)
    for _ in range(10):
        assert budget.charge("ada", "e", "again", 0.0) == 0
    assert [bool(budget.charge("ada", "e", f"id-{n}", 0.0)) for n in range(3)] == [0, 0, 1]
    assert budget.charge("ada", "e", "again", 0.0) == 0
    # A refused act was not charged; it is charged when it comes again.
    assert budget.charge("ada", "e", "id-2", 10.0) == 0
    assert budget.charge("ada", "e", "id-3", 10.0)


def test_what_is_refunded_may_be_spent_again_and_no_more() -> None:
    budget = RateLimiter(0.1, 2)
    for number in range(5):
        assert budget.charge("ada", "e", f"id-{number}", 0.0) == 0
        budget.refund("ada", "e")
    budget.refund("nobody", "e")
    assert [bool(budget.charge("ada", "e", f"last-{n}", 0.0)) for n in range(3)] == [0, 0, 1]


def test_a_large_burst_may_remember_few_ids() -> None:
    budget = RateLimiter(0.1, 200, 20)
    assert [budget.charge("ada", "e", f"id-{n}", 0.0) for n in range(200)] == [0] * 200
    (bucket,) = budget._buckets.values()
    assert list(bucket.ids) == [f"id-{number}" for number in range(180, 200)]
    assert budget.charge("ada", "e", "id-199", 0.0) == 0
    assert budget.charge("ada", "e", "id-0", 0.0)


def test_ids_are_remembered_as_many_as_may_be_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limiter, "MAX_CHARGED_IDS", 10)
    budget = RateLimiter(1.0, 1_000)
    for number in range(100):
        budget.charge("ada", "e", f"id-{number}", 0.0)
    (bucket,) = budget._buckets.values()
    assert list(bucket.ids) == [f"id-{n}" for n in range(90, 100)]


def test_buckets_that_are_full_again_are_dropped() -> None:
    budget = RateLimiter(1.0, 2)
    for number in range(10_000):
        budget.charge(f"user {number}", "e", "id", number / 100)
    # Owners of the last second, and the sweep's backlog.
    assert len(budget._buckets) < 100 * SWEEP_BUCKETS


def test_nobody_pushes_out_their_own_bucket_nor_anybody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rate_limiter, "MAX_BUCKETS", 64)
    budget = RateLimiter(1 / 60, 1)
    assert budget.charge("ada", "e", "id", 0.0) == 0
    assert budget.charge("eve", "hers", "id", 0.0) == 0
    waits = [budget.charge("eve", f"made up {n}", "id", 0.0) for n in range(1_000)]
    assert set(waits) == {0, FULL_RETRY_DELAY_MS}
    assert budget.charge("eve", "hers", "another", 0.0) > FULL_RETRY_DELAY_MS
    assert budget.charge("ada", "e", "another", 0.0) > FULL_RETRY_DELAY_MS
    # The others are not affected; she pays.
    assert all(budget.charge(f"user {n}", "e", "id", 0.0) == 0 for n in range(40))
    assert len(budget._buckets) == len(budget._owners) == 64


def test_a_share_is_a_part_of_all() -> None:
    assert 1 < MAX_BUCKETS * MAX_OWNER_SHARE < MAX_BUCKETS
