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
        """Event → when; the oldest first."""

    def raises(self, event_id: str) -> bool:
        """Whether this is the event's first for ``QUIET_SECONDS``, and not one too many in all."""
        now = self._clock()
        while self._raised:
            oldest = next(iter(self._raised))
            if now - self._raised[oldest] < QUIET_SECONDS:
                break
            del self._raised[oldest]
        if event_id in self._raised or len(self._raised) >= MOST_EVENTS:
            return False
        self._raised[event_id] = now
        return True
