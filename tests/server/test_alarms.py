"""Alarms that a client's word sets off are heard, and not over and over."""

from __future__ import annotations

from server.alarms import MOST_EVENTS, QUIET_SECONDS, Alarms


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_an_events_alarm_is_raised_once_and_again_when_its_quiet_is_over() -> None:
    clock = Clock()
    alarms = Alarms(clock)
    assert alarms.raises("one")
    assert not alarms.raises("one")
    assert alarms.raises("other")
    clock.now += QUIET_SECONDS - 1
    assert not alarms.raises("one")
    clock.now += 1
    assert alarms.raises("one")
    assert not alarms.raises("one")


def test_lines_and_memory_are_bounded_however_many_events_there_are() -> None:
    clock = Clock()
    alarms = Alarms(clock)
    raised = [alarms.raises(str(event)) for event in range(2 * MOST_EVENTS)]
    assert sum(raised) == len(alarms._raised) == MOST_EVENTS
    clock.now += QUIET_SECONDS
    assert alarms.raises("another")
    assert len(alarms._raised) == 1
