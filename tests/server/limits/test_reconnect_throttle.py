"""Who broke the rules comes in one by one; everybody else as ever."""

from __future__ import annotations

import pytest

from server.limits.reconnect_throttle import (
    LONGEST_WAIT_S,
    NAMELESS_AT_ONCE,
    REMEMBERED_S,
    Offenders,
)

#: So that the turns are a second apart, times the share.
RATE = 20.0


@pytest.fixture
def offenders() -> Offenders:
    """Nobody yet."""
    return Offenders(RATE)


def test_who_keeps_the_rules_never_waits(offenders: Offenders) -> None:
    offenders.note("bad", 0)
    assert [offenders.wait("good", 0) for _ in range(3)] == [0, 0, 0]


def test_who_broke_them_comes_in_turns_of_their_own(offenders: Offenders) -> None:
    offenders.note("one", 0)
    found = [offenders.wait("one", 0.5) for _ in range(3)]
    assert found == [0, 1, 2]
    # The turns that nobody took are not saved up.
    assert [offenders.wait("one", 9) for _ in range(2)] == [0, 1]


def test_who_fills_their_own_turns_leaves_everybody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    offenders = Offenders(RATE * 10)
    for address in ("one", "other"):
        offenders.note(address, 0)
    while offenders.wait("one", 0) is not None:
        pass
    # Two share the rate of one: each has half.
    assert [offenders.wait("other", 0) for _ in range(3)] == pytest.approx([0, 0.2, 0.4])


def test_many_offenders_make_nobody_wait_for_ever() -> None:
    offenders = Offenders(RATE * 10)
    for number in range(1_000):
        offenders.note(str(number), 0)
    assert [offenders.wait("7", 0) for _ in range(3)] == [0, 1, 2]


def test_who_says_who_they_are_makes_up_for_one_who_did_not(offenders: Offenders) -> None:
    for _ in range(10 * NAMELESS_AT_ONCE):
        offenders.note_nameless("crowd", 0)
        offenders.note_named("crowd")
    assert [offenders.wait("crowd", 0) for _ in range(2)] == [0, 0]


def test_all_addresses_of_one_machine_are_one_offender(offenders: Offenders) -> None:
    offenders.note("2001:db8::1", 0)
    assert [offenders.wait(f"2001:db8::{n}", 0) for n in range(2)] == [0, 1]
    offenders.note("::ffff:192.0.2.1", 0)
    offenders.wait("192.0.2.1", 0)
    assert offenders.wait("192.0.2.1", 0)


def test_a_few_who_never_said_who_they_are_are_no_offence_and_many_are(
    offenders: Offenders,
) -> None:
    for _ in range(NAMELESS_AT_ONCE):
        offenders.note_nameless("crowd", 0)
    assert [offenders.wait("crowd", 0) for _ in range(2)] == [0, 0]
    offenders.note_nameless("crowd", 0)
    assert [offenders.wait("crowd", 0) for _ in range(2)] == [0, 1]
    # One now and then stays none.
    for second in range(1_000):
        offenders.note_nameless("slow", second * 2.0)
    assert [offenders.wait("slow", 2_000) for _ in range(2)] == [0, 0]


def test_more_than_may_wait_are_turned_away(offenders: Offenders) -> None:
    offenders.note("bad", 0)
    found = [offenders.wait("bad", 0) for _ in range(int(LONGEST_WAIT_S) + 3)]
    assert found == [*range(int(LONGEST_WAIT_S) + 1), None, None]


def test_it_is_forgotten_after_a_while_and_later_where_it_goes_on(offenders: Offenders) -> None:
    offenders.note("bad", 0)
    offenders.note("bad", 5)
    assert [offenders.wait("bad", REMEMBERED_S + 4) for _ in range(2)] == [0, 1]
    assert [offenders.wait("bad", REMEMBERED_S + 6) for _ in range(2)] == [0, 0]


def test_the_addresses_that_are_remembered_are_bounded(
    offenders: Offenders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.limits.reconnect_throttle.MOST_REMEMBERED", 2)
    for address in ("one", "two", "one", "three"):
        offenders.note(address, 0)
    waits = {address: offenders.wait(address, 0) for address in ("two", "one", "three")}
    assert waits == {"two": 0, "one": 0, "three": 0}
    again = {address: offenders.wait(address, 0) for address in ("two", "one", "three")}
    assert again == {"two": 0, "one": 1, "three": 1}
