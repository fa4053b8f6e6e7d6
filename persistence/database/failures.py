"""One rule for errors of background work, above all those of the database.

    may end by itself    logged once, and once more when the work succeeds again
    needs an operator    logged as an error, again every ``LOG_INTERVAL_S``
    defect               the same, with its traceback

The database refuses a statement for a missing right (42501) or a column that a newer version
renamed (42703), for example. It will refuse it at every try. If that were treated like a lost
connection, timers would stand still and no operator would know. A locked table, a full disk and a
standby are no lost connection either: the operator would look at the wrong place.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

import asyncpg

from persistence.database.connecting import UnfitDatabaseError
from persistence.database.faults import Fault, PoolTimeoutError, fault_of
from protocol.errors import ErrorCode, RetryableError

log = logging.getLogger("ayes.periodic")

#: Seconds until an error of the same kind is logged again; the ones between are counted. Without
#: it, work that runs twice a second would fill a disk with one missing right.
LOG_INTERVAL_S = 60.0


class Kind(Enum):
    """The kinds of error of work that is tried again."""

    UNREACHABLE = "unreachable"
    """The database is out of reach, or restarting."""
    LOCKED = "locked"
    """Another session holds a lock that the statement needs."""
    SLOW = "slow"
    """The database answers, but too late: it cancelled the statement, or the event stays busy."""
    POOL = "pool"
    """All connections of this node are in use."""
    SESSIONS = "sessions"
    """PostgreSQL has no session left."""
    MEMORY = "memory"
    """PostgreSQL has no memory left."""
    DISK = "disk"
    """The disk of PostgreSQL is full, or fails."""
    UNFIT = "unfit"
    """The database takes no writes, or does not keep the settings of its sessions."""
    LOGIN = "login"
    """PostgreSQL lets the role or its password not in."""
    REFUSED = "refused"
    """The database refuses the statement, and will refuse it again."""
    DEFECT = "defect"
    """No database error: a defect of the program."""


#: The kinds that may end without an operator.
PASSING: Final = frozenset(
    (Kind.UNREACHABLE, Kind.LOCKED, Kind.SLOW, Kind.POOL, Kind.SESSIONS, Kind.MEMORY)
)


class Trouble(NamedTuple):
    """An error in plain words."""

    kind: Kind
    fact: str
    cure: str

    def __str__(self) -> str:
        return f"{self.fact} → {self.cure}"


_WORDS: Final = (
    Trouble(
        Kind.UNREACHABLE,
        "PostgreSQL does not answer, or breaks connections off",
        "start it or mend the network; ayes doctor asks it from here",
    ),
    Trouble(
        Kind.LOCKED,
        "another session holds a lock that this needs",
        "ayes doctor names the session; end it with pg_terminate_backend",
    ),
    Trouble(
        Kind.SLOW,
        "PostgreSQL answers, but too late: statements are cancelled",
        "look for locks and a slow disk with ayes doctor",
    ),
    Trouble(
        Kind.POOL,
        "all database connections of this node are in use (AYES_DATABASE_CONNECTIONS)",
        "see with ayes doctor whether locks or a slow disk keep them; else raise the setting",
    ),
    Trouble(
        Kind.SESSIONS,
        "PostgreSQL has no session left",
        "end other programs' sessions, raise max_connections, or lower AYES_DATABASE_CONNECTIONS",
    ),
    Trouble(Kind.MEMORY, "PostgreSQL has no memory left", "give it more, or lower its work_mem"),
    Trouble(Kind.DISK, "the disk of PostgreSQL is full, or fails", "free some, or replace it"),
    Trouble(
        Kind.UNFIT,
        "this database takes no writes: it is a standby, or read-only",
        "give the primary's address",
    ),
    Trouble(
        Kind.LOGIN,
        "PostgreSQL lets the role, its password or its database not in",
        "correct AYES_DATABASE_URL, or the role",
    ),
    Trouble(
        Kind.REFUSED, "PostgreSQL refuses the statement", "the log has the statement and the reason"
    ),
    Trouble(Kind.DEFECT, "a defect of this program", "the log has its traceback: report it"),
)
_TROUBLES: Final = {each.kind: each for each in _WORDS}
#: Beginnings of an SQLSTATE; the first that fits counts.
_STATES: Final = (
    (("55P03", "40P01"), Kind.LOCKED),
    (("57014", "40001", "23505"), Kind.SLOW),
    (("53300",), Kind.SESSIONS),
    (("53200",), Kind.MEMORY),
    (("53100", "58030"), Kind.DISK),
    (("25006",), Kind.UNFIT),
    (("28", "3D000"), Kind.LOGIN),
)
#: States that say more than their kind: fact and cure.
_EXACT: Final = (
    (
        ("57P03",),
        "PostgreSQL is starting or recovers",
        "wait until it is ready; its log says how far it is",
    ),
    (
        ("57P01", "57P02"),
        "PostgreSQL stops or restarts, or somebody ended the session",
        "start it, if it does not come back by itself",
    ),
    (
        ("40P01",),
        "two sessions wait for each other's locks",
        "if it goes on: ayes doctor names sessions of other programs",
    ),
    (
        ("42501",),
        "the role lacks a right in the database",
        "GRANT it; the log has the statement, and ayes doctor looks at the schema",
    ),
    (
        ("42P01", "42703", "42883", "3F000"),
        "the database lacks a table or column that this version needs",
        "ayes doctor compares the schema; a newer or older server may have changed it",
    ),
)


def trouble_of(err: BaseException) -> Trouble:
    """Return what ``err`` means and what to do; without its own text, which may be private."""
    kind = kind_of(err)
    if isinstance(err, UnfitDatabaseError):
        fact, _, cure = str(err).partition(": ")
        return Trouble(kind, fact, cure or "see docs/scaling.md")
    if isinstance(err, RetryableError) and err.__cause__ is not None:
        err = err.__cause__
    if isinstance(err, asyncpg.PostgresError):
        for states, fact, cure in _EXACT:
            if err.sqlstate in states:
                return Trouble(kind, fact, cure)
    return _TROUBLES[kind]


def kind_of(err: BaseException) -> Kind:
    """Return the kind of ``err``, for work that is tried again."""
    if isinstance(err, RetryableError):
        # The code that a client would get in the meantime: ``overloaded`` or ``busy``.
        if err.__cause__ is not None and fault_of(err.__cause__) is not None:
            return kind_of(err.__cause__)
        return Kind.SLOW if err.code is ErrorCode.BUSY else Kind.UNREACHABLE
    if isinstance(err, UnfitDatabaseError):
        return Kind.UNFIT
    if isinstance(err, PoolTimeoutError):
        return Kind.POOL
    if isinstance(err, asyncpg.PostgresError):
        for states, kind in _STATES:
            if (err.sqlstate or "").startswith(states):
                return kind
    fault = fault_of(err)
    if fault is None:
        return Kind.DEFECT
    return {Fault.REFUSED: Kind.REFUSED, Fault.AGAIN: Kind.SLOW}.get(fault, Kind.UNREACHABLE)


class Failures:
    """Logs and counts the failures of one kind of work. ``clock`` returns seconds."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.trouble: Trouble | None = None
        """Why the last try failed; ``None`` if it succeeded."""
        self.counts = dict.fromkeys(Kind, 0)
        """Failed tries since the start."""
        self._clock = clock
        self._logged_at: dict[Kind, float] = {}
        self._unlogged = dict.fromkeys(Kind, 0)

    @property
    def failing(self) -> Kind | None:
        """The kind of ``trouble``."""
        return None if self.trouble is None else self.trouble.kind

    def succeeded(self) -> None:
        """Note that the work succeeded."""
        if self.trouble is None:
            return
        log.info("%s: works again", self.name)
        self.trouble = None
        self._logged_at.clear()

    def failed(self, err: Exception, what: str = "") -> None:
        """Note that the work raised ``err``; ``what`` names the part of it, for the log."""
        self.trouble = trouble = trouble_of(err)
        kind = trouble.kind
        self.counts[kind] += 1
        name = f"{self.name}: {what}" if what else self.name
        if kind in PASSING:
            if kind not in self._logged_at:
                self._logged_at[kind] = self._clock()
                log.info("%s: %s, trying again: %r", name, trouble.fact, err)
            return
        now = self._clock()
        if now - self._logged_at.get(kind, -LOG_INTERVAL_S) < LOG_INTERVAL_S:
            self._unlogged[kind] += 1
            return
        self._logged_at[kind] = now
        more, self._unlogged[kind] = self._unlogged[kind], 0
        since = f" ({more} times more since the last line)" if more else ""
        if kind is Kind.DEFECT:
            log.error("%s: failed%s", name, since, exc_info=err)
        elif kind is Kind.REFUSED:
            log.error("%s: refused by the database%s: %r", name, since, err)
        else:
            log.error("%s: %s%s: %r", name, trouble.fact, since, err)
