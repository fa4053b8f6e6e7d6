"""A limit on error lines that any client can cause, so that no client fills the log."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two lines about one event or one user. Often enough for an operator and for a
#: monitor that counts lines of this level.
LOG_INTERVAL_S = 3_600.0
#: Lines in one ``LOG_INTERVAL_S``; further ones are left out. Their keys take some 100 KiB of
#: memory, and the log stays readable.
MAX_LOGGED_EVENTS = 1_024


class EventLogThrottle:
    """Decides whether a line about an event and a user is logged. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged_at: dict[str, float] = {}
        """Event or user → the time of its last line, oldest first."""

    def should_log(self, event_id: str, user: str) -> bool:
        """Return whether to log: the first of this event and of this user in ``LOG_INTERVAL_S``.

        At most ``MAX_LOGGED_EVENTS`` in that time in all, since a user can make many events.
        """
        now = self._clock()
        while self._logged_at:
            oldest = next(iter(self._logged_at))
            if now - self._logged_at[oldest] < LOG_INTERVAL_S:
                break
            del self._logged_at[oldest]
        keys = (f"event {event_id}", f"user {user}")
        if (
            any(key in self._logged_at for key in keys)
            or len(self._logged_at) >= 2 * MAX_LOGGED_EVENTS
        ):
            return False
        self._logged_at |= dict.fromkeys(keys, now)
        return True
