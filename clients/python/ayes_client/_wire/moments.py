"""Times of the protocol (RFC 3339), and the server's clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime

#: Seconds that a later time may lie behind the known clock. Beyond, the server's clock was set
#: back; less is the time that the message took.
MAX_LATENCY_S = 5.0


def seconds_of(moment: str) -> float:
    """Return a time of the protocol in seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


def text_of(moment: datetime) -> str:
    """Return a time as the protocol writes it: UTC, milliseconds, ``Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class ServerClock:
    """The server's clock, from the times in its messages.

    It runs by the monotonic clock, so that it does not jump with the machine's. A message takes a
    while to arrive, so the largest difference that was seen is the nearest one.
    """

    def __init__(self) -> None:
        self._offset: float | None = None

    @property
    def known(self) -> bool:
        """Whether the server has sent a time."""
        return self._offset is not None

    def start(self, moment: str) -> None:
        """Begin again, with the time of a welcome."""
        self._offset = seconds_of(moment) - time.monotonic()

    def observe(self, moment: str) -> None:
        """Take the time of a message that was just read."""
        offset = seconds_of(moment) - time.monotonic()
        known = self._offset
        if known is None or offset > known or offset < known - MAX_LATENCY_S:
            self._offset = offset

    def now(self) -> float:
        """Return the seconds since the epoch.

        By this machine's clock until the server sends a time.
        """
        return time.time() if self._offset is None else time.monotonic() + self._offset
