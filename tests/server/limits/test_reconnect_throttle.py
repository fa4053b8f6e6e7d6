"""Users who broke the rules reconnect one at a time; all others are not delayed."""

from __future__ import annotations

import pytest

from server.limits.reconnect_throttle import (
    MAX_ADMISSION_DELAY_S,
    OFFENDER_TTL_S,
    UNAUTHENTICATED_BURST,
    ReconnectThrottle,
)

#: A second between two turns, times the share.
RATE = 20.0


@pytest.fixture
def offenders() -> ReconnectThrottle:
    """A throttle without users."""
    return ReconnectThrottle(RATE)


def test_who_keeps_the_rules_never_waits(offenders: ReconnectThrottle) -> None:
    offenders.record_violation("bad", 0)
    assert [offenders.delay("good", 0) for _ in range(3)] == [0, 0, 0]


def test_who_broke_them_comes_in_turns_of_their_own(offenders: ReconnectThrottle) -> None:
    offenders.record_violation("one", 0)
    found = [offenders.delay("one", 0.5) for _ in range(3)]
    assert found == [0, 1, 2]
    # Turns that were not taken are not saved up.
    assert [offenders.delay("one", 9) for _ in range(2)] == [0, 1]


def test_who_fills_their_own_turns_leaves_everybody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    offenders = ReconnectThrottle(RATE * 10)
    for address in ("one", "other"):
        offenders.record_violation(address, 0)
    while offenders.delay("one", 0) is not None:
        pass
    # Two users share the rate of one: each has half.
    assert [offenders.delay("other", 0) for _ in range(3)] == pytest.approx([0, 0.2, 0.4])


def test_many_offenders_make_nobody_wait_for_ever() -> None:
    offenders = ReconnectThrottle(RATE * 10)
    for number in range(1_000):
        offenders.record_violation(str(number), 0)
    assert [offenders.delay("7", 0) for _ in range(3)] == [0, 1, 2]


def test_who_says_who_they_are_makes_up_for_one_who_did_not(offenders: ReconnectThrottle) -> None:
    for _ in range(10 * UNAUTHENTICATED_BURST):
        offenders.record_unauthenticated("crowd", 0)
        offenders.record_authenticated("crowd")
    assert [offenders.delay("crowd", 0) for _ in range(2)] == [0, 0]


def test_all_addresses_of_one_machine_are_one_offender(offenders: ReconnectThrottle) -> None:
    offenders.record_violation("2001:db8::1", 0)
    assert [offenders.delay(f"2001:db8::{n}", 0) for n in range(2)] == [0, 1]
    offenders.record_violation("::ffff:192.0.2.1", 0)
    offenders.delay("192.0.2.1", 0)
    assert offenders.delay("192.0.2.1", 0)


def test_a_few_who_never_said_who_they_are_are_no_offence_and_many_are(
    offenders: ReconnectThrottle,
) -> None:
    for _ in range(UNAUTHENTICATED_BURST):
        offenders.record_unauthenticated("crowd", 0)
    assert [offenders.delay("crowd", 0) for _ in range(2)] == [0, 0]
    offenders.record_unauthenticated("crowd", 0)
    assert [offenders.delay("crowd", 0) for _ in range(2)] == [0, 1]
    # A rare violation has no effect.
    for second in range(1_000):
        offenders.record_unauthenticated("slow", second * 2.0)
    assert [offenders.delay("slow", 2_000) for _ in range(2)] == [0, 0]


def test_more_than_may_wait_are_turned_away(offenders: ReconnectThrottle) -> None:
    offenders.record_violation("bad", 0)
    found = [offenders.delay("bad", 0) for _ in range(int(MAX_ADMISSION_DELAY_S) + 3)]
    assert found == [*range(int(MAX_ADMISSION_DELAY_S) + 1), None, None]


def test_it_is_forgotten_after_a_while_and_later_where_it_goes_on(
    offenders: ReconnectThrottle,
) -> None:
    offenders.record_violation("bad", 0)
    offenders.record_violation("bad", 5)
    assert [offenders.delay("bad", OFFENDER_TTL_S + 4) for _ in range(2)] == [0, 1]
    assert [offenders.delay("bad", OFFENDER_TTL_S + 6) for _ in range(2)] == [0, 0]


def test_the_addresses_that_are_remembered_are_bounded(
    offenders: ReconnectThrottle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.limits.reconnect_throttle.MAX_OFFENDERS", 2)
    for address in ("one", "two", "one", "three"):
        offenders.record_violation(address, 0)
    waits = {address: offenders.delay(address, 0) for address in ("two", "one", "three")}
    assert waits == {"two": 0, "one": 0, "three": 0}
    again = {address: offenders.delay(address, 0) for address in ("two", "one", "three")}
    assert again == {"two": 0, "one": 1, "three": 1}
