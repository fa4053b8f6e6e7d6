"""How many sockets there may be, and how fast they may come."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from server.rate import TokenBucket
from server.settings import Settings

if TYPE_CHECKING:
    from server.session import Session

#: Sockets in all, where the file limit allows as many.
MOST_CONNECTIONS = 20_000
#: The share of open files that may be sockets; the rest is the database's, logs, and the listener.
SHARE_OF_FILES = 0.9
#: The share of them that may be connections of any kind. Of 1,024 files some 50 are left.
SHARE_FOR_ALL = 0.95
#: Connections beside the sockets: those that are about to be one, and requests over HTTP. Twice
#: what may wait to be accepted (``BACKLOG``), which is taken in before any of it is looked at.
MOST_BESIDE = 4_096


def connections_allowed(settings: Settings) -> int:
    """Sockets this process takes: the setting, or what the file limit leaves."""
    if settings.connections is not None:
        return settings.connections
    return min(MOST_CONNECTIONS, _files(SHARE_OF_FILES))


def connections_in_all(settings: Settings) -> int:
    """Connections this process holds, whatever they are: over that they are reset."""
    return min(connections_allowed(settings) + MOST_BESIDE, _files(SHARE_FOR_ALL))


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


class Crowd:
    """Counts the sockets of a node: all, those without a name, by address and by user."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._settings = settings
        self._most = connections_allowed(settings)
        rate = settings.admissions_per_second
        self._admissions = TokenBucket(rate, rate, now)
        self._nameless: set[Session] = set()
        self._addresses: Counter[str] = Counter()
        self._users: dict[str, set[Session]] = {}
        self.sessions: set[Session] = set()
        self._streams: Counter[str] = Counter()
        self._streaming = 0

    def is_welcome(self, address: str, now: float) -> bool:
        """Whether one more socket from ``address`` is taken now."""
        settings = self._settings
        return (
            self._has_place()
            and len(self._nameless) < settings.unauthenticated
            and not (
                settings.connections_per_address
                and self._addresses[address] >= settings.connections_per_address
            )
            and self._admissions.take(now)
        )

    def _has_place(self) -> bool:
        """Whether there is room for one more, socket or stream: each takes an open file."""
        return len(self.sessions) + self._streaming < self._most

    def enter(self, session: Session) -> None:
        """Count a socket that was just accepted."""
        self.sessions.add(session)
        self._nameless.add(session)
        self._addresses[session.address] += 1

    def name(self, session: Session, user: str) -> bool:
        """Count a socket as ``user``'s; ``False`` where they have as many as they may have."""
        own = self._users.setdefault(user, set())
        if len(own) >= self._settings.connections_per_user:
            return False
        own.add(session)
        self._nameless.discard(session)
        return True

    def begin_stream(self, user: str, now: float) -> bool:
        """Count a stream over HTTP as ``user``'s; ``False`` where there are as many as may be.

        They have as many streams as sockets. Whoever was given one says ``end_stream``.
        """
        if (
            self._streams[user] >= self._settings.connections_per_user
            or not self._has_place()
            or not self._admissions.take(now)
        ):
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

    def of(self, user: str) -> frozenset[Session]:
        """The sockets of ``user``."""
        return frozenset(self._users.get(user, ()))

    def leave(self, session: Session, user: str | None) -> None:
        """A socket is gone."""
        if session not in self.sessions:
            return
        self.sessions.discard(session)
        self._nameless.discard(session)
        self._addresses[session.address] -= 1
        if not self._addresses[session.address]:
            del self._addresses[session.address]
        if user is not None and (own := self._users.get(user)) is not None:
            own.discard(session)
            if not own:
                del self._users[user]
