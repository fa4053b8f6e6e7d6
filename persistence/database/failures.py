"""One rule for errors of background work, above all those of the database.

    out of reach   logged once, and once more when the work succeeds again; no action needed
    refused        logged as an error, again every ``LOG_INTERVAL_S``; an operator has to act
    defect         the same, with its traceback

The database refuses a statement for a missing right (42501) or a column that a newer version
renamed (42703), for example. It will refuse it at every try. If that were treated like a lost
connection, timers would stand still and no operator would know.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum

from persistence.database.faults import Fault, fault_of
from protocol.errors import RetryableError

log = logging.getLogger("ayes.periodic")

#: Seconds until an error of the same kind is logged again; the ones between are counted. Without
#: it, work that runs twice a second would fill a disk with one missing right.
LOG_INTERVAL_S = 60.0


class Kind(Enum):
    """The kinds of error of work that is tried again."""

    UNREACHABLE = "unreachable"
    """The database is out of reach, restarting, or too busy."""
    REFUSED = "refused"
    """The database refuses the statement, and will refuse it again."""
    DEFECT = "defect"
    """No database error: a defect of the program."""


def kind_of(err: BaseException) -> Kind:
    """Return the kind of ``err``, for work that is tried again."""
    if isinstance(err, RetryableError):
        # The code that a client would get in the meantime: ``overloaded`` or ``busy``.
        return Kind.UNREACHABLE
    fault = fault_of(err)
    if fault is None:
        return Kind.DEFECT
    return Kind.REFUSED if fault is Fault.REFUSED else Kind.UNREACHABLE


class Failures:
    """Logs and counts the failures of one kind of work. ``clock`` returns seconds."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.failing: Kind | None = None
        """Why the last try failed; ``None`` if it succeeded."""
        self.counts = dict.fromkeys(Kind, 0)
        """Failed tries since the start."""
        self._clock = clock
        self._logged_at: dict[Kind, float] = {}
        self._unlogged = dict.fromkeys(Kind, 0)

    def succeeded(self) -> None:
        """Note that the work succeeded."""
        if self.failing is None:
            return
        log.info("%s: works again", self.name)
        self.failing = None
        self._logged_at.clear()

    def failed(self, err: Exception, what: str = "") -> None:
        """Note that the work raised ``err``; ``what`` names the part of it, for the log."""
        kind = kind_of(err)
        self.failing = kind
        self.counts[kind] += 1
        name = f"{self.name}: {what}" if what else self.name
        if kind is Kind.UNREACHABLE:
            if kind not in self._logged_at:
                self._logged_at[kind] = self._clock()
                log.info("%s: out of reach, trying again: %r", name, err)
            return
        now = self._clock()
        if now - self._logged_at.get(kind, -LOG_INTERVAL_S) < LOG_INTERVAL_S:
            self._unlogged[kind] += 1
            return
        self._logged_at[kind] = now
        more, self._unlogged[kind] = self._unlogged[kind], 0
        since = f" ({more} times more since the last line)" if more else ""
        if kind is Kind.REFUSED:
            log.error("%s: refused by the database%s: %r", name, since, err)
        else:
            log.error("%s: failed%s", name, since, exc_info=err)
