"""Makes exceptions of the server's ``error`` messages."""

from __future__ import annotations

from ayes_client.errors import CODES, AyesError, NeedsAuth, NeedsFix, Refused, Retry, TryAgain
from ayes_client.state import Json

_GROUPS: dict[str, type[AyesError]] = {
    "no": Refused,
    "fix": NeedsFix,
    "auth": NeedsAuth,
    "same": TryAgain,
}


def from_message(message: Json) -> AyesError:
    """Make the exception of an ``error`` message."""
    code = str(message.get("code", "error"))
    retry: Retry = message["retry"] if message.get("retry") in _GROUPS else "no"
    kind = CODES.get(code, _GROUPS[retry])
    error = kind(
        message.get("message"),
        details=message.get("details"),
        id=message.get("id"),
        event=message.get("event"),
        retry_after_ms=message.get("retry_after_ms"),
        replayed=bool(message.get("replayed")),
    )
    error.code = code
    error.retry = retry
    error.effect = "unknown" if message.get("effect") == "unknown" else "none"
    return error
