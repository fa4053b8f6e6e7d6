"""The message rate of one socket, and when it counts as a flood."""

from __future__ import annotations

from server.config.settings import Settings
from server.limits.token_bucket import TokenBucket

#: Frames without a JSON object or array; the tenth closes the socket (protocol.md, Transport).
MAX_BAD_FRAMES = 10
#: Bad frames that are forgotten in a second: one a minute, since a socket that lives for weeks may
#: send one now and then.
BAD_FRAMES_PER_SECOND = 1 / 60


class FloodControl:
    """Counts the messages of one socket. The clock, in seconds, is passed in."""

    __slots__ = ("_bad_frames", "_bucket", "_max_refused", "_refused")

    def __init__(self, settings: Settings, now: float) -> None:
        self._bucket = TokenBucket(settings.commands_per_second, settings.commands_burst, now)
        self._refused = 0
        # At least ``inflight``: that many messages may be in transit before the client sees the
        # first refusal.
        self._max_refused = max(settings.commands_burst, settings.inflight)
        # The tenth is the one too many.
        self._bad_frames = TokenBucket(BAD_FRAMES_PER_SECOND, MAX_BAD_FRAMES - 1, now)

    def take(self, now: float) -> bool:
        """Count a message; ``False`` if it is over the rate."""
        if not self._bucket.take(now):
            self._refused += 1
            return False
        if self._refused:
            self._refused -= 1
        return True

    @property
    def is_flood(self) -> bool:
        """Whether so many messages were refused that the socket has to be closed."""
        return self._refused > self._max_refused

    def wait_ms(self) -> int:
        """Return the milliseconds until the next message is within the rate."""
        return self._bucket.wait_ms()

    def may_be_bad(self, now: float) -> bool:
        """Count a frame that is no message; ``False`` if it is one too many."""
        return self._bad_frames.take(now)
