"""Every error that a client can get, in one table.

``ErrorCode`` is closed: a client may switch over it. Two columns say what
a client should do: ``effect`` (did anything happen?) and ``retry`` (what to send next).

    ProtocolError               an answer other than an ack
    ├── FinalError              decided under the event's lock: final, remembered, given again
    └── RetryableError          decided nothing: the same id may be tried again
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

Effect: TypeAlias = Literal["none", "unknown"]
Retry: TypeAlias = Literal["same", "fix", "auth", "no"]


class ErrorCode(StrEnum):
    """The closed set of error codes; ``ERRORS`` says what each means."""

    BAD_FRAME = "bad_frame"
    BAD_REQUEST = "bad_request"
    UNKNOWN_TYPE = "unknown_type"
    TOO_LARGE = "too_large"
    UNAUTHENTICATED = "unauthenticated"
    AUTH_EXPIRED = "auth_expired"
    AUTH_EARLY = "auth_early"
    FORBIDDEN = "forbidden"
    NOT_A_MEMBER = "not_a_member"
    NOT_ELIGIBLE = "not_eligible"
    NOT_FOUND = "not_found"
    EVENT_NOT_IN_PROGRESS = "event_not_in_progress"
    EVENT_FINISHED = "event_finished"
    EVENT_FULL = "event_full"
    PROPOSAL_CLOSED = "proposal_closed"
    ALREADY_RESOLVED = "already_resolved"
    TARGET_GONE = "target_gone"
    STALE = "stale"
    REVISION_CHANGED = "revision_changed"
    STALE_CRITERIA = "stale_criteria"
    VERSION_CONFLICT = "version_conflict"
    LAST_ADMIN = "last_admin"
    LIMIT_REACHED = "limit_reached"
    INVALID_TRANSITION = "invalid_transition"
    TOO_LATE = "too_late"
    ID_CONFLICT = "id_conflict"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    DRAINING = "draining"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    COMMIT_UNKNOWN = "commit_unknown"
    INTERNAL = "internal"


class ErrorRule(NamedTuple):
    """The meaning of an error for the client that gets it."""

    effect: Effect
    retry: Retry
    http: int
    """The HTTP status of the same answer."""
    meaning: str


_E = ErrorCode
ERRORS: dict[ErrorCode, ErrorRule] = {
    _E.BAD_FRAME: ErrorRule("none", "fix", 400, "The frame is not a JSON object or array."),
    _E.BAD_REQUEST: ErrorRule("none", "fix", 400, "A field is missing or wrong: details.path."),
    _E.UNKNOWN_TYPE: ErrorRule("none", "fix", 400, "No message has this type."),
    _E.TOO_LARGE: ErrorRule("none", "fix", 413, "The message or the batch is over its limit."),
    _E.UNAUTHENTICATED: ErrorRule("none", "auth", 401, "There is no valid token."),
    _E.AUTH_EXPIRED: ErrorRule("none", "auth", 401, "The token has expired; renew it."),
    _E.AUTH_EARLY: ErrorRule(
        "none", "same", 401, "The token is not valid yet; wait retry_after_ms."
    ),
    _E.FORBIDDEN: ErrorRule("none", "no", 403, "Your role may not do this."),
    _E.NOT_A_MEMBER: ErrorRule("none", "no", 403, "You are not an accepted member now."),
    _E.NOT_ELIGIBLE: ErrorRule("none", "no", 403, "You may not vote on this proposal."),
    _E.NOT_FOUND: ErrorRule("none", "no", 404, "It does not exist, or you may not know of it."),
    _E.EVENT_NOT_IN_PROGRESS: ErrorRule("none", "no", 409, "The event is not in progress."),
    _E.EVENT_FINISHED: ErrorRule("none", "no", 409, "The event is finished."),
    _E.EVENT_FULL: ErrorRule("none", "no", 409, "The event has as many members as it may have."),
    _E.PROPOSAL_CLOSED: ErrorRule("none", "no", 409, "The proposal is decided: see details."),
    _E.ALREADY_RESOLVED: ErrorRule(
        "none", "no", 409, "Another admin has decided otherwise: see details."
    ),
    _E.TARGET_GONE: ErrorRule("none", "fix", 409, "The named item, option or comment was deleted."),
    _E.STALE: ErrorRule("none", "fix", 409, "The item has a newer version: details.current."),
    _E.REVISION_CHANGED: ErrorRule(
        "none", "fix", 409, "The proposal has a newer revision: details.current."
    ),
    _E.STALE_CRITERIA: ErrorRule("none", "fix", 409, "The criteria changed: details.current."),
    _E.VERSION_CONFLICT: ErrorRule("none", "fix", 409, "It was changed since: details.current."),
    _E.LAST_ADMIN: ErrorRule("none", "no", 409, "An event keeps at least one admin."),
    _E.LIMIT_REACHED: ErrorRule("none", "no", 409, "The limit in details is reached."),
    _E.INVALID_TRANSITION: ErrorRule("none", "no", 409, "Not possible in the current status."),
    _E.TOO_LATE: ErrorRule("none", "fix", 409, "The command's own not_after is past."),
    _E.ID_CONFLICT: ErrorRule("none", "fix", 422, "This id was used for another command."),
    _E.RATE_LIMITED: ErrorRule("none", "same", 429, "Too fast; wait retry_after_ms."),
    _E.BUSY: ErrorRule("none", "same", 429, "Too many commands are waiting; wait retry_after_ms."),
    _E.DRAINING: ErrorRule("none", "same", 503, "The server is shutting down; reconnect."),
    _E.OVERLOADED: ErrorRule("none", "same", 503, "The database is out of reach."),
    _E.TIMEOUT: ErrorRule("unknown", "same", 503, "No answer in time; send the same id again."),
    _E.COMMIT_UNKNOWN: ErrorRule(
        "unknown",
        "same",
        503,
        "The connection to the database broke during COMMIT; send the same id again.",
    ),
    _E.INTERNAL: ErrorRule("unknown", "same", 500, "A defect of the server; it was logged."),
}

#: Codes whose answer is remembered and given again, if it was given under the event's lock.
#: ``bad_request`` is one of them, since some of its causes only the event's state can show.
FINAL: frozenset[ErrorCode] = frozenset(
    {_E.BAD_REQUEST, *(code for code, rule in ERRORS.items() if rule.http in (403, 404, 409))}
)


class ProtocolError(Exception):
    """An answer other than an ack.

    ``details`` names what the client needs in order to continue (``path``, ``current``, ``status``
    …). ``retry_after_ms`` is set for the codes that ask the client to wait.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str | None = None,
        *,
        details: dict[str, Any] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        self.code = code
        self.message = message or ERRORS[code].meaning
        self.details = details or {}
        self.retry_after_ms = retry_after_ms
        super().__init__(f"{code}: {self.message}")


class FinalError(ProtocolError):
    """Decided under the event's lock: final, remembered under its id, given again on a repeat."""


class RetryableError(ProtocolError):
    """Nothing was decided or stored: the same id may be sent again."""


def bad_request(path: str, message: str, **details: Any) -> RetryableError:
    """Make the error for a malformed message, before any decision; ``path`` names the field."""
    return RetryableError(ErrorCode.BAD_REQUEST, message, details={"path": path} | details)
