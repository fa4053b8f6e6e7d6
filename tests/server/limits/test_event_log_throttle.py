"""Log lines that a client can cause are written, but not again and again."""

from __future__ import annotations

from server.limits.event_log_throttle import LOG_INTERVAL_S, MAX_LOGGED_EVENTS, EventLogThrottle


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_an_events_alarm_is_raised_once_and_again_when_its_quiet_is_over() -> None:
    clock = Clock()
    throttle = EventLogThrottle(clock)
    assert throttle.should_log("one", "of one")
    assert not throttle.should_log("one", "of one")
    assert throttle.should_log("other", "of other")
    clock.now += LOG_INTERVAL_S - 1
    assert not throttle.should_log("one", "of one")
    clock.now += 1
    assert throttle.should_log("one", "of one")
    assert not throttle.should_log("one", "of one")


def test_lines_and_memory_are_bounded_however_many_events_there_are() -> None:
    clock = Clock()
    throttle = EventLogThrottle(clock)
    raised = [throttle.should_log(str(event), str(event)) for event in range(2 * MAX_LOGGED_EVENTS)]
    assert sum(raised) == MAX_LOGGED_EVENTS
    assert len(throttle._logged_at) == 2 * MAX_LOGGED_EVENTS
    clock.now += LOG_INTERVAL_S
    assert throttle.should_log("another", "of another")
    assert len(throttle._logged_at) == 2


def test_one_user_raises_one_alarm_whatever_they_claim_about_how_many_events() -> None:
    clock = Clock()
    throttle = EventLogThrottle(clock)
    logged = [throttle.should_log(str(event), "mallory") for event in range(50)]
    assert logged == [True] + [False] * 49
    assert throttle.should_log("1", "ada")
