"""Exit statuses, and which error ends with which."""

from __future__ import annotations

from ayes_client.errors import (
    AyesError,
    Closed,
    NeedsAuth,
    NeedsFix,
    NotSent,
    OutboxError,
    Stopped,
    TryAgain,
    Unreachable,
)

EXIT_DONE = 0
EXIT_DEFECT = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_FIX = 4
EXIT_AUTH = 5
EXIT_UNKNOWN = 6
EXIT_UNREACHABLE = 7
EXIT_NOT_CARRIED = 8
EXIT_TIME_OVER = 9
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


def status_of(error: AyesError) -> int:
    """Return the exit status of an error."""
    match error:
        case NeedsAuth() | Closed():
            return EXIT_AUTH
        case _ if error.effect == "unknown":
            return EXIT_UNKNOWN
        case NeedsFix():
            return EXIT_FIX
        case Stopped() | TryAgain() | NotSent() | OutboxError() | Unreachable():
            return EXIT_UNREACHABLE
    return EXIT_REFUSED
