"""The requests and the connections of each user over HTTP."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Final, Protocol

from protocol.errors import ErrorCode, RetryableError

#: Requests of one user that are under way at once, streams among them; the next one is ``busy``. A
#: request holds at most 64 KiB of its body and 128 KiB of its answer, a large answer beside that.
MAX_REQUESTS_PER_USER = 64
#: Asked of a client that has so many under way.
REQUESTS_RETRY_MS = 200


CONNECTION: Final = "ayes.connection"
"""The connection's name among the extensions of an ASGI scope."""


class Connection(Protocol):
    """A connection over HTTP."""

    def keep_for(self, idle: Idle | None) -> None:
        """Have ``idle.forget`` called when the next request comes, or the connection ends."""

    def end_idle(self) -> None:
        """End it, between two requests."""


class Idle:
    """An idle connection that belongs to the user whose request it carried last."""

    __slots__ = ("_requests", "connection", "user")

    def __init__(self, requests: UserRequests, user: str, connection: Connection) -> None:
        self._requests = requests
        self.user = user
        self.connection = connection

    def forget(self) -> None:
        """It is idle no more."""
        self._requests.forget(self)


class UserRequests:
    """Counts requests under way, and idle connections, by user.

    A connection belongs to the user of its latest request; a proxy's, to nobody.
    """

    def __init__(self, idle_per_user: int) -> None:
        self._idle_per_user = idle_per_user
        self._under_way: Counter[str] = Counter()
        self._idle: dict[str, OrderedDict[Idle, None]] = {}

    def begin(self, user: str) -> None:
        """Count a request of ``user``, which ``end`` will end. Raises ``busy``."""
        if self._under_way[user] >= MAX_REQUESTS_PER_USER:
            raise RetryableError(
                ErrorCode.BUSY,
                "too many requests are under way",
                retry_after_ms=REQUESTS_RETRY_MS,
            )
        self._under_way[user] += 1

    def end(self, user: str, connection: Connection | None) -> None:
        """A request has been answered; ``connection`` is kept for the next, unless it is one too
        many of the user's: then the least recently used one is ended."""
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
        """``idle`` has a new request, or has ended."""
        own = self._idle.get(idle.user)
        if own is not None and own.pop(idle, self) is None and not own:
            del self._idle[idle.user]

    def idle_of(self, user: str) -> int:
        """Idle connections that belong to ``user``."""
        return len(self._idle.get(user, ()))
