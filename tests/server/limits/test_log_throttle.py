"""Alarms that a client's word sets off are heard, and not over and over."""

from __future__ import annotations

from server.limits.log_throttle import MOST_EVENTS, QUIET_SECONDS, Alarms


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_an_events_alarm_is_raised_once_and_again_when_its_quiet_is_over() -> None:
    clock = Clock()
    alarms = Alarms(clock)
    assert alarms.raises("one", "of one")
    assert not alarms.raises("one", "of one")
    assert alarms.raises("other", "of other")
    clock.now += QUIET_SECONDS - 1
    assert not alarms.raises("one", "of one")
    clock.now += 1
    assert alarms.raises("one", "of one")
    assert not alarms.raises("one", "of one")


def test_lines_and_memory_are_bounded_however_many_events_there_are() -> None:
    clock = Clock()
    alarms = Alarms(clock)
    raised = [alarms.raises(str(event), str(event)) for event in range(2 * MOST_EVENTS)]
    assert sum(raised) == MOST_EVENTS
    assert len(alarms._raised) == 2 * MOST_EVENTS
    clock.now += QUIET_SECONDS
    assert alarms.raises("another", "of another")
    assert len(alarms._raised) == 2


def test_one_user_raises_one_alarm_whatever_they_claim_about_how_many_events() -> None:
    clock = Clock()
    alarms = Alarms(clock)
    assert [alarms.raises(str(event), "mallory") for event in range(50)] == [True] + [False] * 49
    assert alarms.raises("1", "ada")
