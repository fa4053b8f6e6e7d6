"""The sockets of this node: their number, by network and by user, and their rate."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from server.config.settings import Settings
from server.limits.addresses import network_of
from server.limits.admissions import Admissions
from server.limits.fair_slots import FairSlots

#: Sockets of this node, if the file limit allows as many; beyond that new ones are refused.
DEFAULT_MAX_CONNECTIONS = 20_000
#: The share of the file limit for sockets. The rest is for the database, logs and the listener.
SOCKET_FILE_SHARE = 0.9
#: The share of the file limit for TCP connections of any kind. Of 1,024 files it leaves some 50.
TCP_FILE_SHARE = 0.95
#: TCP connections in addition to sockets: handshakes and HTTP requests; beyond that they are reset.
#: Twice the listener's ``BACKLOG``, since a whole backlog is accepted before any of it is read.
MAX_OTHER_CONNECTIONS = 4_096


def max_connections(settings: Settings) -> int:
    """Return the number of sockets that this process accepts: the setting, or by the file limit."""
    if settings.connections is not None:
        return settings.connections
    return min(DEFAULT_MAX_CONNECTIONS, _files(SOCKET_FILE_SHARE))


def max_tcp_connections(settings: Settings) -> int:
    """Return the number of TCP connections, of any kind, beyond which they are reset."""
    return min(max_connections(settings) + MAX_OTHER_CONNECTIONS, _files(TCP_FILE_SHARE))


def _files(share: float) -> int:
    """Return ``share`` of the number of files that may be open."""
    if sys.platform == "win32":
        return sys.maxsize
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if files == resource.RLIM_INFINITY else int(files * share)


def raise_file_limit() -> None:
    """Raise the limit on open files to what the system allows without privileges."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # Some systems report a hard limit that they do not grant; keep the soft one.
            return


class Places(NamedTuple):
    """Sockets and streams of one user."""

    sockets: int
    streams: int


class UserPlaces(Protocol):
    """The places of users, as far as they are shared with other nodes."""

    elsewhere: Callable[[str], Places]
    most_per_user: int

    def several(self) -> Iterator[tuple[str, Places]]:
        """Return the users with more than one place here."""


class Counted(Hashable, Protocol):
    """A socket as far as it is counted."""

    @property
    def address(self) -> str:
        """The address of the client."""

    def give_way(self) -> None:
        """Close the socket: its place goes to another one."""


S = TypeVar("S", bound=Counted)


class ConnectionRegistry(Generic[S]):
    """Counts the sockets of a node: in all, unauthenticated ones by network, others by user.

    A socket is unauthenticated until a valid ``hello``. The caller passes the clock, in seconds.
    """

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._max = max_connections(settings)
        self._admissions = Admissions(settings.admissions_per_second, now)
        self._unauthenticated: FairSlots[S] = FairSlots()
        self._networks: Counter[str] = Counter()
        self._users: dict[str, dict[S, None]] = {}
        """Each user's sockets, the oldest first."""
        self._several: dict[str, None] = {}
        """The users with more than one socket or stream here."""
        self.most_per_user = settings.connections_per_user
        self.elsewhere: Callable[[str], Places] = lambda user: Places(0, 0)
        """Returns a user's places at the other nodes, as far as this one knows."""
        self.sessions: set[S] = set()
        self._streams: Counter[str] = Counter()
        self._streaming = 0

    @property
    def most(self) -> int:
        """The most sockets and streams at once."""
        return self._max

    @property
    def unauthenticated(self) -> int:
        """Sockets without a valid ``hello``."""
        return len(self._unauthenticated)

    def users_online(self) -> int:
        """Return the number of users with a socket or a stream."""
        return len(self._users.keys() | self._streams.keys())

    def admit(self, address: str, now: float) -> bool:
        """Return whether a new socket from ``address`` is accepted now.

        If all places for unauthenticated sockets are taken, the network with most of them loses
        one.
        """
        network = network_of(address)
        most_here = self._settings.connections_per_address
        if most_here and self._networks[network] >= most_here:
            return False
        is_full = len(self._unauthenticated) >= self._settings.unauthenticated
        return self._take_in(network, now, is_full=is_full or not self._has_place())

    def _has_place(self) -> bool:
        """Return whether one more socket or stream fits; each takes an open file."""
        return len(self.sessions) + self._streaming < self._max

    def _take_in(self, group: str, now: float, *, is_full: bool) -> bool:
        """Accept one more of ``group``; if full, an unauthenticated socket must give way."""
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
        """Count a socket that was accepted just now."""
        network = network_of(session.address)
        self.sessions.add(session)
        self._unauthenticated.enter(session, network, now)
        self._networks[network] += 1

    def assign_user(self, session: S, user: str) -> bool:
        """Count a socket as ``user``'s; return ``False`` if that user has too many, anywhere."""
        own = self._users.get(user, {})
        if len(own) + self.elsewhere(user).sockets >= self.most_per_user:
            return False
        own[session] = None
        self._users[user] = own
        self._weigh(user)
        self._unauthenticated.leave(session)
        return True

    def is_full(self, user: str) -> bool:
        """Whether the user has too many sockets at this node alone."""
        return len(self._users.get(user, ())) >= self.most_per_user

    def several(self) -> Iterator[tuple[str, Places]]:
        """Return the users with more than one socket, or stream, here."""
        for user in self._several:
            yield user, Places(len(self._users.get(user, ())), self._streams[user])

    def _weigh(self, user: str) -> None:
        """Note whether the user has so many here that the other nodes should know."""
        most = max(len(self._users.get(user, ())), self._streams.get(user, 0))
        if most >= min(2, self.most_per_user):
            self._several[user] = None
        else:
            self._several.pop(user, None)

    def begin_stream(self, user: str, now: float) -> bool:
        """Count an HTTP stream as ``user``'s; return ``False`` if there are too many.

        A user may have as many streams as sockets. Each ``True`` needs one ``end_stream``.
        """
        if self._streams.get(user, 0) + self.elsewhere(user).streams >= self.most_per_user:
            return False
        if not self._take_in(f"user {user}", now, is_full=not self._has_place()):
            return False
        self._streams[user] += 1
        self._streaming += 1
        self._weigh(user)
        return True

    def end_stream(self, user: str) -> None:
        """Stop counting one stream of ``user``."""
        self._streaming -= 1
        self._streams[user] -= 1
        if not self._streams[user]:
            del self._streams[user]
        self._weigh(user)

    def newest(self, user: str, count: int) -> list[S]:
        """Return the user's last ``count`` sockets."""
        return list(self._users.get(user, ()))[-count:] if count else []

    def of(self, user: str) -> frozenset[S]:
        """Return the sockets of ``user``."""
        return frozenset(self._users.get(user, ()))

    def leave(self, session: S, user: str | None) -> None:
        """Stop counting a socket; ``user`` is its user, if it has authenticated."""
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        self._unauthenticated.leave(session)
        network = network_of(session.address)
        self._networks[network] -= 1
        if not self._networks[network]:
            del self._networks[network]
        if user is not None and (own := self._users.get(user)) is not None:
            own.pop(session, None)
            if not own:
                del self._users[user]
            self._weigh(user)
