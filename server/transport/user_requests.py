"""Limits on the HTTP requests and the idle connections of each user."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final, Protocol

from protocol.errors import ErrorCode, RetryableError

#: Concurrent requests of one user, streams included; the next one is refused with ``busy``. Each
#: keeps at most 64 KiB of its body and 128 KiB of its response in memory; ``LargeAnswers`` limits
#: larger responses.
MAX_REQUESTS_PER_USER = 64
#: The ``retry_after_ms`` of a request that is refused by that limit.
REQUESTS_RETRY_MS = 200


CONNECTION: Final = "ayes.connection"
"""The connection's name among the extensions of an ASGI scope."""


class Connection(Protocol):
    """A connection over HTTP."""

    def keep_for(self, idle: Idle | None) -> None:
        """Call ``idle.forget`` when the next request comes or the connection ends."""

    def end_idle(self) -> None:
        """End the connection, between two requests."""


class Idle:
    """An idle connection, which belongs to the user of its last request."""

    __slots__ = ("_requests", "connection", "user")

    def __init__(self, requests: UserRequests, user: str, connection: Connection) -> None:
        self._requests = requests
        self.user = user
        self.connection = connection

    def forget(self) -> None:
        """Remove it: its connection is idle no longer."""
        self._requests.forget(self)


class UserRequests:
    """Counts concurrent requests and idle connections by user.

    A connection belongs to the user of its last request; a proxy's connection belongs to no user.
    """

    def __init__(self, idle_per_user: int) -> None:
        self._idle_per_user = idle_per_user
        self._under_way: Counter[str] = Counter()
        self._idle: dict[str, OrderedDict[Idle, None]] = {}

    def begin(self, user: str) -> None:
        """Count a request of ``user`` until ``end``. Raises ``busy`` at the limit."""
        if self._under_way[user] >= MAX_REQUESTS_PER_USER:
            raise RetryableError(
                ErrorCode.BUSY,
                "too many requests are under way",
                retry_after_ms=REQUESTS_RETRY_MS,
            )
        self._under_way[user] += 1

    def end(self, user: str, connection: Connection | None) -> None:
        """End a request, and keep ``connection`` for the next one.

        If the user has too many idle connections, the least recently used one ends.
        """
        self._under_way[user] -= 1
        if not self._under_way[user]:
            del self._under_way[user]
        if connection is None:
            return
        idle = Idle(self, user, connection)
        own = self._idle.setdefault(user, OrderedDict())
        own[idle] = None
        connection.keep_for(idle)
        if len(own) > self._idle_per_user:
            oldest, _ = own.popitem(last=False)
            oldest.connection.keep_for(None)
            oldest.connection.end_idle()

    def forget(self, idle: Idle) -> None:
        """Remove ``idle``: it has a new request, or has ended."""
        own = self._idle.get(idle.user)
        if own is not None and own.pop(idle, self) is None and not own:
            del self._idle[idle.user]

    def idle_of(self, user: str) -> int:
        """Return how many idle connections belong to ``user``."""
        return len(self._idle.get(user, ()))
