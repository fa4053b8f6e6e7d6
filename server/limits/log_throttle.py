"""Alarms that a client's word sets off: heard once, so that nobody can fill the log with them."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds for which an event's alarm is not repeated: often enough for whoever looks, and for what
#: counts lines of this level.
QUIET_SECONDS = 3_600.0
#: Events whose alarm is remembered, and so the lines of one ``QUIET_SECONDS``: some 100 KiB of
#: memory, and a log that can still be read.
MOST_EVENTS = 1_024


class Alarms:
    """Says of an event's alarm whether it is to be logged. ``clock`` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._raised: dict[str, float] = {}
        """Event or user → when; the oldest first."""

    def raises(self, event_id: str, user: str) -> bool:
        """Whether this is the first of the event and of the user for ``QUIET_SECONDS``, and not one
        too many in all: a user may make many events, and claim anything about each."""
        now = self._clock()
        while self._raised:
            oldest = next(iter(self._raised))
            if now - self._raised[oldest] < QUIET_SECONDS:
                break
            del self._raised[oldest]
        keys = (f"event {event_id}", f"user {user}")
        if any(key in self._raised for key in keys) or len(self._raised) >= 2 * MOST_EVENTS:
            return False
        self._raised |= dict.fromkeys(keys, now)
        return True
