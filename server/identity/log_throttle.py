"""Log lines that a peer can set off again and again: each kind once a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Seconds for which a line about the same key is not logged again: often enough for a person who
#: looks for the cause.
LOG_INTERVAL_S: Final = 60.0
#: Keys that are remembered, and so the lines of one ``LOG_INTERVAL_S``. Beyond, nothing is logged
#: until the oldest is that old.
MAX_KEYS: Final = 64


class LogThrottle:
    """Decides whether the line of a key is logged now. ``clock`` returns seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._logged: dict[str, float] = {}
        """Key → when; the oldest first."""

    def permits(self, key: str) -> bool:
        """Whether a line about ``key`` may be logged, which then counts as logged."""
        now = self._clock()
        while self._logged:
            oldest = next(iter(self._logged))
            if now - self._logged[oldest] < LOG_INTERVAL_S:
                break
            del self._logged[oldest]
        if key in self._logged or len(self._logged) >= MAX_KEYS:
            return False
        self._logged[key] = now
        return True
