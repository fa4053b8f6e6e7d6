"""How many sockets there may be, and how fast they may come."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from server.config.settings import Settings
from server.limits.addresses import network_of
from server.limits.admissions import Admissions
from server.limits.places import Places

#: Sockets in all, where the file limit allows as many.
DEFAULT_MAX_CONNECTIONS = 20_000
#: The share of open files that may be sockets; the rest is the database's, logs, and the listener.
SOCKET_FILE_SHARE = 0.9
#: The share of them that may be connections of any kind. Of 1,024 files some 50 are left.
TCP_FILE_SHARE = 0.95
#: Connections beside the sockets: those that are about to be one, and requests over HTTP. Twice
#: what may wait to be accepted (``BACKLOG``), which is taken in before any of it is looked at.
MAX_OTHER_CONNECTIONS = 4_096


def max_connections(settings: Settings) -> int:
    """Sockets this process takes: the setting, or what the file limit leaves."""
    if settings.connections is not None:
        return settings.connections
    return min(DEFAULT_MAX_CONNECTIONS, _files(SOCKET_FILE_SHARE))


def max_tcp_connections(settings: Settings) -> int:
    """Connections this process holds, whatever they are: over that they are reset."""
    return min(max_connections(settings) + MAX_OTHER_CONNECTIONS, _files(TCP_FILE_SHARE))


def _files(share: float) -> int:
    """A share of the files that may be open, however many these are."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if files == resource.RLIM_INFINITY else int(files * share)


def raise_file_limit() -> None:
    """Take as many open files as the system gives without asking."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # Some systems name a limit that they do not give; then the old one stands.
            return


class Counted(Hashable, Protocol):
    """A socket as far as it is counted."""

    @property
    def address(self) -> str:
        """The address of the client."""

    def give_way(self) -> None:
        """Close the socket: its place goes to another one."""


S = TypeVar("S", bound=Counted)


class ConnectionRegistry(Generic[S]):
    """Counts the sockets of a node: all, the nameless ones by network, the others by user.

    A socket is nameless until it has said a good ``hello``.
    """

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._max = max_connections(settings)
        self._admissions = Admissions(settings.admissions_per_second, now)
        self._unauthenticated: Places[S] = Places()
        self._networks: Counter[str] = Counter()
        self._users: dict[str, set[S]] = {}
        self.sessions: set[S] = set()
        self._streams: Counter[str] = Counter()
        self._streaming = 0

    def admit(self, address: str, now: float) -> bool:
        """Whether one more socket from ``address`` is taken now.

        If all places for nameless sockets are taken, one of the network that has most of them is
        closed for it.
        """
        network = network_of(address)
        most_here = self._settings.connections_per_address
        if most_here and self._networks[network] >= most_here:
            return False
        is_full = len(self._unauthenticated) >= self._settings.unauthenticated
        return self._take_in(network, now, is_full=is_full or not self._has_place())

    def _has_place(self) -> bool:
        """Whether there is room for one more, socket or stream: each takes an open file."""
        return len(self.sessions) + self._streaming < self._max

    def _take_in(self, group: str, now: float, *, is_full: bool) -> bool:
        """Whether one more of ``group`` is taken; if it is full, a nameless socket gives way."""
        found = self._unauthenticated.one_to_give_way(group, now) if is_full else None
        if is_full and found is None:
            return False
        if not self._admissions.take(group, now):
            return False
        if found is not None:
            found.give_way()
            self.leave(found, None)
        return True

    def enter(self, session: S, now: float) -> None:
        """Count a socket that was just accepted."""
        network = network_of(session.address)
        self.sessions.add(session)
        self._unauthenticated.enter(session, network, now)
        self._networks[network] += 1

    def assign_user(self, session: S, user: str) -> bool:
        """Count a socket as ``user``'s; ``False`` if they have as many as they may have."""
        own = self._users.setdefault(user, set())
        if len(own) >= self._settings.connections_per_user:
            return False
        own.add(session)
        self._unauthenticated.leave(session)
        return True

    def begin_stream(self, user: str, now: float) -> bool:
        """Count a stream over HTTP as ``user``'s; ``False`` if there are as many as may be.

        A user has as many streams as sockets. ``end_stream`` ends one that was given.
        """
        if self._streams[user] >= self._settings.connections_per_user:
            return False
        if not self._take_in(f"user {user}", now, is_full=not self._has_place()):
            return False
        self._streams[user] += 1
        self._streaming += 1
        return True

    def end_stream(self, user: str) -> None:
        """A stream is over."""
        self._streaming -= 1
        self._streams[user] -= 1
        if not self._streams[user]:
            del self._streams[user]

    def of(self, user: str) -> frozenset[S]:
        """The sockets of ``user``."""
        return frozenset(self._users.get(user, ()))

    def leave(self, session: S, user: str | None) -> None:
        """A socket is gone."""
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        self._unauthenticated.leave(session)
        network = network_of(session.address)
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        if user is not None and (own := self._users.get(user)) is not None:
            own.discard(session)
            if not own:
                del self._users[user]
