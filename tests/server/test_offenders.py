"""Who broke the rules comes in one by one; everybody else as ever."""

from __future__ import annotations

import pytest

from server.offenders import LONGEST_WAIT_S, REMEMBERED_S, Offenders

#: So that the turns are a second apart, times the share.
RATE = 20.0


@pytest.fixture
def offenders() -> Offenders:
    """Nobody yet."""
    return Offenders(RATE)


def test_who_keeps_the_rules_never_waits(offenders: Offenders) -> None:
    offenders.note("bad", 0)
    assert [offenders.wait("good", 0) for _ in range(3)] == [0, 0, 0]


def test_who_broke_them_comes_in_turns_that_all_of_them_share(offenders: Offenders) -> None:
    for address in ("one", "other"):
        offenders.note(address, 0)
    found = [offenders.wait(address, 0.5) for address in ("one", "other", "one")]
    assert found == [0, 1, 2]
    # The turns that nobody took are not saved up.
    assert [offenders.wait("one", 9) for _ in range(2)] == [0, 1]


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
    monkeypatch.setattr("server.offenders.MOST_REMEMBERED", 2)
    for address in ("one", "two", "one", "three"):
        offenders.note(address, 0)
    waits = {address: offenders.wait(address, 0) for address in ("two", "one", "three")}
    assert waits == {"two": 0, "one": 0, "three": 1}
