"""The answer to clients while the database is out of reach."""

from __future__ import annotations

from persistence.database.faults import Fault, fault_of
from protocol.errors import ErrorCode, RetryableError

#: Delay asked of a client while the database is out of reach; long enough that retries do not add
#: to its load.
UNREACHABLE_RETRY_DELAY_MS = 1_000


def unreachable(err: Exception) -> Exception:
    """Return ``overloaded`` if the database is out of reach or too busy, else ``err`` itself."""
    if fault_of(err) in (None, Fault.REFUSED):
        return err
    return RetryableError(ErrorCode.OVERLOADED, retry_after_ms=UNREACHABLE_RETRY_DELAY_MS)
