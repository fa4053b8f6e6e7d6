"""What a client is answered when the database is out of reach."""

from __future__ import annotations

from persistence.database.faults import Fault, fault_of
from protocol.errors import ErrorCode, RetryableError

#: Asked of a client when the database is out of reach.
RETRY_AFTER_MS = 1_000


def unreachable(err: Exception) -> Exception:
    """``overloaded`` where the database is out of reach or too busy; anything else as it is."""
    if fault_of(err) in (None, Fault.REFUSED):
        return err
    return RetryableError(ErrorCode.OVERLOADED, retry_after_ms=RETRY_AFTER_MS)
