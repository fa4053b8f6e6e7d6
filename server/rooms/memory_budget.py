"""A budget for the memory of rooms, by the user for whom each was loaded."""

from __future__ import annotations

from collections import Counter

from protocol.errors import ErrorCode, RetryableError

#: Bytes of the rooms that were loaded for one user, measured at the load. Beyond that, one more is
#: refused with ``limit_reached``. Ninety rooms of 1 MiB, or a few of the largest.
MAX_USER_ROOM_BYTES = 96 * 1024 * 1024
#: Bytes of all rooms. Beyond that, a user with more than ``FAIR_ROOM_BYTES`` gets ``busy`` for one
#: more. Together with the other bounds it fits a container of 1 GiB.
MAX_ROOM_BYTES = 384 * 1024 * 1024
#: Bytes of rooms that every user may have, whatever the other users have.
FAIR_ROOM_BYTES = 8 * 1024 * 1024
#: Milliseconds after which a client may ask again for a room that was not loaded.
ROOM_RETRY_DELAY_MS = 5_000


class RoomBudget:
    """Counts the bytes of rooms in memory."""

    def __init__(self) -> None:
        self._users: Counter[str] = Counter()
        self._rooms: dict[str, tuple[str, int]] = {}
        """Event → the user for whom it was loaded, its bytes."""
        self.bytes = 0
        self.refused = 0
        """Rooms that were not loaded."""

    def check(self, user: str) -> None:
        """Raise unless one more room may be loaded for ``user``."""
        own = self._users[user]
        if own >= MAX_USER_ROOM_BYTES:
            self.refused += 1
            raise RetryableError(
                ErrorCode.LIMIT_REACHED,
                "the rooms you are in take as much memory as they may",
                details={"limit": MAX_USER_ROOM_BYTES},
            )
        if own >= FAIR_ROOM_BYTES and self.bytes >= MAX_ROOM_BYTES:
            self.refused += 1
            raise RetryableError(ErrorCode.BUSY, retry_after_ms=ROOM_RETRY_DELAY_MS)

    def charge(self, event_id: str, user: str, size: int) -> None:
        """Count a room of ``size`` bytes, loaded for ``user``."""
        self.release(event_id)
        self._rooms[event_id] = user, size
        self._users[user] += size
        self.bytes += size

    def release(self, event_id: str) -> None:
        """Stop counting a room that has left memory."""
        user, size = self._rooms.pop(event_id, ("", 0))
        self.bytes -= size
        self._users[user] -= size
        if not self._users[user]:
            del self._users[user]
