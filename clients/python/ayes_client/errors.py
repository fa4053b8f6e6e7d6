"""What can go wrong, one class per code of the server's closed table.

    AyesError                       an answer other than an ack, or no answer at all
    ├── Refused                     retry "no": decided, and final
    │   ├── Forbidden               your role may not do this
    │   ├── NotAMember              you are not an accepted member now
    │   ├── NotEligible             this proposal does not take your vote
    │   ├── NotFound                it does not exist, or you may not know of it
    │   ├── EventNotInProgress      the event is not in progress
    │   ├── EventFinished           the event is finished
    │   ├── EventFull               the event has all the members it may have
    │   ├── ProposalClosed          the proposal is decided: see ``details``
    │   ├── AlreadyResolved         somebody decided otherwise before you
    │   ├── LastAdmin               an event keeps at least one admin
    │   ├── LimitReached            there are as many as there may be
    │   └── InvalidTransition       not possible from the present status
    ├── NeedsFix                    retry "fix": a new id, after a change
    │   ├── BadFrame, BadRequest, UnknownType, TooLarge
    │   ├── TargetGone              the thing you name was deleted
    │   ├── Stale                   the item has a newer version: ``details["current"]``
    │   ├── RevisionChanged         the proposal says other words now
    │   ├── StaleCriteria           the criteria changed
    │   ├── VersionConflict         somebody changed it before you
    │   └── IdConflict              this id was used for another command
    ├── NeedsAuth                   retry "auth": a new token, then the same id
    │   ├── Unauthenticated
    │   └── AuthExpired
    ├── TryAgain                    retry "same": the client does that itself, and seldom gives up
    │   ├── RateLimited, Busy, Draining, Overloaded
    │   └── Timeout, CommitUnknown, Internal        effect "unknown"
    └── LineError                   the client's own: the server said nothing of the kind
        ├── Stopped                 ``stop()`` came before the answer
        ├── Closed                  the server closed for good; ``details["close"]`` says why
        ├── RoomClosed              the room was left, or closed by the server
        ├── Unreachable             no server answered within ``open_timeout``
        └── OutboxError             the outbox file is held, broken, or cannot be written

Two attributes say what to do. ``effect``: whether anything may have happened. ``retry``: what to
send next. A code this version does not know arrives as the class of its ``retry``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, TypeAlias

Effect: TypeAlias = Literal["none", "unknown"]
Retry: TypeAlias = Literal["same", "fix", "auth", "no"]


class AyesError(Exception):
    """An answer other than an ack.

    ``details`` names what the reader needs to go on; ``id``, ``event`` and ``ref`` what was
    answered; ``replayed`` that this id was refused before, with this error.
    """

    code: str = "error"
    effect: Effect = "none"
    retry: Retry = "no"
    meaning: ClassVar[str] = "Something went wrong."

    def __init__(
        self,
        message: str | None = None,
        *,
        details: dict[str, Any] | None = None,
        id: str | None = None,
        event: str | None = None,
        retry_after_ms: int | None = None,
        replayed: bool = False,
    ) -> None:
        self.message = message or self.meaning
        self.details = details or {}
        self.id = id
        self.event = event
        self.retry_after_ms = retry_after_ms
        self.replayed = replayed
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """The error as the server words it, for JSON output."""
        told: dict[str, Any] = {"type": "error", "code": self.code, "message": self.message}
        told |= {"effect": self.effect, "retry": self.retry}
        for name in ("id", "event", "retry_after_ms"):
            if (value := getattr(self, name)) is not None:
                told[name] = value
        if self.replayed:
            told["replayed"] = True
        return told | {"details": self.details}


class Refused(AyesError):
    """Decided, and final."""

    retry = "no"


class NeedsFix(AyesError):
    """May be tried under a new id, after a change."""

    retry = "fix"


class NeedsAuth(AyesError):
    """May be tried under the same id, with a new token."""

    retry = "auth"


class TryAgain(AyesError):
    """May be tried under the same id; the client does so by itself."""

    retry = "same"


class LineError(AyesError):
    """The client's own finding."""


class Forbidden(Refused):
    code = "forbidden"
    meaning = "Your role may not do this."


class NotAMember(Refused):
    code = "not_a_member"
    meaning = "You are not an accepted member now."


class NotEligible(Refused):
    code = "not_eligible"
    meaning = "This proposal does not take your vote."


class NotFound(Refused):
    code = "not_found"
    meaning = "It does not exist, or you may not know of it."


class EventNotInProgress(Refused):
    code = "event_not_in_progress"
    meaning = "The event is not in progress."


class EventFinished(Refused):
    code = "event_finished"
    meaning = "The event is finished."


class EventFull(Refused):
    code = "event_full"
    meaning = "The event has all the members it may have."


class ProposalClosed(Refused):
    code = "proposal_closed"
    meaning = "The proposal is decided: see details."


class AlreadyResolved(Refused):
    code = "already_resolved"
    meaning = "Somebody decided otherwise before you."


class LastAdmin(Refused):
    code = "last_admin"
    meaning = "An event keeps at least one admin."


class LimitReached(Refused):
    code = "limit_reached"
    meaning = "There are as many as there may be."


class InvalidTransition(Refused):
    code = "invalid_transition"
    meaning = "Not possible from the present status."


class BadFrame(NeedsFix):
    code = "bad_frame"
    meaning = "The frame is no JSON object or array."


class BadRequest(NeedsFix):
    code = "bad_request"
    meaning = "A field is missing or wrong: details.path."


class UnknownType(NeedsFix):
    code = "unknown_type"
    meaning = "No message has this type."


class TooLarge(NeedsFix):
    code = "too_large"
    meaning = "The message or the batch is over its limit."


class TargetGone(NeedsFix):
    code = "target_gone"
    meaning = "The thing you name was deleted."


class Stale(NeedsFix):
    code = "stale"
    meaning = "The item has a newer version: details.current."


class RevisionChanged(NeedsFix):
    code = "revision_changed"
    meaning = "The proposal says other words now."


class StaleCriteria(NeedsFix):
    code = "stale_criteria"
    meaning = "The criteria changed: details.current."


class VersionConflict(NeedsFix):
    code = "version_conflict"
    meaning = "Somebody changed it before you."


class IdConflict(NeedsFix):
    code = "id_conflict"
    meaning = "This id was used for another command."


class Unauthenticated(NeedsAuth):
    code = "unauthenticated"
    meaning = "There is no valid token."


class AuthExpired(NeedsAuth):
    code = "auth_expired"
    meaning = "The token has expired; renew it."


class RateLimited(TryAgain):
    code = "rate_limited"
    meaning = "Too fast; wait retry_after_ms."


class Busy(TryAgain):
    code = "busy"
    meaning = "Too much is waiting; wait retry_after_ms."


class Draining(TryAgain):
    code = "draining"
    meaning = "The server is going away; reconnect."


class Overloaded(TryAgain):
    code = "overloaded"
    meaning = "The database is out of reach."


class Timeout(TryAgain):
    code = "timeout"
    effect = "unknown"
    meaning = "No answer in time; send the same id again."


class CommitUnknown(TryAgain):
    code = "commit_unknown"
    effect = "unknown"
    meaning = "The link broke during COMMIT; send the same id again."


class Internal(TryAgain):
    code = "internal"
    effect = "unknown"
    meaning = "A defect of the server; it was logged."


class Stopped(LineError):
    """The command stays in the outbox, where there is one; its id settles what became of it."""

    code = "stopped"
    effect = "unknown"
    retry = "same"
    meaning = "The client was stopped before the answer came."


class Closed(LineError):
    """A close code of 4500 or more, without an error that says it better."""

    code = "closed"
    meaning = "The server closed the connection for good."


class RoomClosed(LineError):
    """``details["reason"]``: ``client``, ``left``, ``removed``, ``revoked``."""

    code = "room_closed"
    meaning = "The room was closed."


class Unreachable(LineError):
    code = "unreachable"
    retry = "same"
    meaning = "No server answered."


class OutboxError(LineError):
    code = "outbox"
    meaning = "The outbox cannot be used."


def _leaves(above: type[AyesError]) -> Iterator[type[AyesError]]:
    for below in above.__subclasses__():
        yield from _leaves(below)
        if below.code != AyesError.code:
            yield below


#: Code → class, for every code that the server can say.
CODES: dict[str, type[AyesError]] = {
    found.code: found
    for group in (Refused, NeedsFix, NeedsAuth, TryAgain)
    for found in _leaves(group)
}
_GROUPS: dict[str, type[AyesError]] = {
    "no": Refused,
    "fix": NeedsFix,
    "auth": NeedsAuth,
    "same": TryAgain,
}


def from_message(message: dict[str, Any]) -> AyesError:
    """The exception for an ``error`` of the server, as it says it."""
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
