"""How fast one socket may speak, and when what it says is a flood."""

from __future__ import annotations

from server.config.settings import Settings
from server.limits.token_bucket import TokenBucket

#: Frames in a row that are no JSON object or array until the socket is closed.
MOST_BAD_FRAMES = 10
#: Of those, one is forgotten each minute: a socket that lives for weeks may have one now and then.
BAD_FRAMES_PER_SECOND = 1 / 60


class FloodControl:
    """The budget of one socket. The clock (seconds) is passed in."""

    __slots__ = ("_bad_frames", "_bucket", "_most_refused", "_refused")

    def __init__(self, settings: Settings, now: float) -> None:
        self._bucket = TokenBucket(settings.commands_per_second, settings.commands_burst, now)
        self._refused = 0
        # A burst of refusals, and never fewer than may be on their way before the first is heard.
        self._most_refused = max(settings.commands_burst, settings.inflight)
        # The tenth is the one too many.
        self._bad_frames = TokenBucket(BAD_FRAMES_PER_SECOND, MOST_BAD_FRAMES - 1, now)

    def take(self, now: float) -> bool:
        """Whether one more message is taken; if so, it is counted."""
        if not self._bucket.take(now):
            self._refused += 1
            return False
        if self._refused:
            self._refused -= 1
        return True

    @property
    def is_flood(self) -> bool:
        """Whether so many messages were refused that the socket is to be closed."""
        return self._refused > self._most_refused

    def wait_ms(self) -> int:
        """Milliseconds until one more message is taken."""
        return self._bucket.wait_ms()

    def may_be_bad(self, now: float) -> bool:
        """Count a frame that is no message; ``False`` if it is one too many."""
        return self._bad_frames.take(now)
