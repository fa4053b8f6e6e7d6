"""Every error that a client raises: one class for each code of the server, and its own.

    AyesError                       an error of the server, or no answer
    ├── Refused                     retry "no": a final no
    │   ├── Forbidden               your role may not do this
    │   ├── NotAMember              you are not an accepted member now
    │   ├── NotEligible             this proposal does not take your vote
    │   ├── NotFound                it does not exist, or you may not know of it
    │   ├── EventNotInProgress      the event is not in progress
    │   ├── EventFinished           the event is finished
    │   ├── EventFull               the event has all the members it may have
    │   ├── ProposalClosed          the proposal is decided: see ``details``
    │   ├── AlreadyResolved         an admin decided otherwise before you
    │   ├── LastAdmin               an event keeps at least one admin
    │   ├── LimitReached            there are as many as there may be
    │   └── InvalidTransition       not possible from the present status
    ├── NeedsFix                    retry "fix": a new id, after a change
    │   ├── BadFrame, BadRequest, UnknownType, TooLarge
    │   ├── TooLate                 the command's own ``not_after`` is past
    │   ├── TargetGone              the thing you name was deleted
    │   ├── Stale                   the item has a newer version: ``details["current"]``
    │   ├── RevisionChanged         the proposal has another wording now
    │   ├── StaleCriteria           the criteria changed
    │   ├── VersionConflict         another user changed it before you
    │   └── IdConflict              this id was used for another command
    ├── NeedsAuth                   retry "auth": a new token, then the same id
    │   ├── Unauthenticated
    │   └── AuthExpired
    ├── TryAgain                    retry "same": the client does that itself, and seldom gives up
    │   ├── AuthEarly, RateLimited, Busy, Draining, Overloaded
    │   └── Timeout, CommitUnknown, Internal        effect "unknown"
    └── LineError                   found by the client, not sent by the server
        ├── Stopped                 ``stop()`` came before the answer
        ├── Closed                  the server closed for good; ``details["close"]`` says why
        ├── RoomClosed              the room was left, or closed by the server
        ├── Unreachable             no server answered within ``open_timeout``
        ├── OutboxError             the outbox file is held, broken, or cannot be written
        ├── TakenBack               ``take_back()`` was in time: the command has no effect
        ├── NotSent                 given with ``once``, and there was no connection
        └── Unanswered              given with ``once``, sent, and its connection broke

Two attributes say what to do. ``effect``: whether anything may have happened. ``retry``: what to
send next. A code that this version does not know becomes the class of its ``retry``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, TypeAlias

Effect: TypeAlias = Literal["none", "unknown"]
Retry: TypeAlias = Literal["same", "fix", "auth", "no"]


class AyesError(Exception):
    """The base of all errors.

    ``details`` depends on the code. ``id`` and ``event`` name the command. ``replayed``: this id
    was refused before, with this error.
    """

    code: str = "error"
    effect: Effect = "none"
    retry: Retry = "no"
    meaning: ClassVar[str] = "Something went wrong."
    """The first line of the class's docstring: the message if the server sends none."""

    def __init_subclass__(cls) -> None:
        cls.meaning = (cls.__doc__ or cls.code).partition("\n")[0]

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
        known = "" if self.code == type(self).code else f"{self.code}: "
        path = f" ({self.details['path']})" if "path" in self.details else ""
        return f"{known}{self.message}{path}"

    def to_dict(self) -> dict[str, Any]:
        """Return the error as the server sends it, for JSON output."""
        found: dict[str, Any] = {"type": "error", "code": self.code, "message": self.message}
        found |= {"effect": self.effect, "retry": self.retry}
        for name in ("id", "event", "retry_after_ms"):
            if (value := getattr(self, name)) is not None:
                found[name] = value
        if self.replayed:
            found["replayed"] = True
        return found | {"details": self.details}


class Refused(AyesError):
    """A final no."""

    retry = "no"


class NeedsFix(AyesError):
    """A no that a change may turn: try again with a new id."""

    retry = "fix"


class NeedsAuth(AyesError):
    """The token is not accepted: try the same id again with a new token."""

    retry = "auth"


class TryAgain(AyesError):
    """A passing failure: the client sends the same id again by itself."""

    retry = "same"


class LineError(AyesError):
    """Found by the client, not sent by the server."""


class Forbidden(Refused):
    """Your role may not do this."""

    code = "forbidden"


class NotAMember(Refused):
    """You are not an accepted member now."""

    code = "not_a_member"


class NotEligible(Refused):
    """You may not vote on this proposal."""

    code = "not_eligible"


class NotFound(Refused):
    """It does not exist, or you may not know of it."""

    code = "not_found"


class EventNotInProgress(Refused):
    """The event is not in progress."""

    code = "event_not_in_progress"


class EventFinished(Refused):
    """The event is finished."""

    code = "event_finished"


class EventFull(Refused):
    """The event has as many members as it may have."""

    code = "event_full"


class ProposalClosed(Refused):
    """The proposal is decided: see details."""

    code = "proposal_closed"


class AlreadyResolved(Refused):
    """Another admin has decided otherwise: see details."""

    code = "already_resolved"


class LastAdmin(Refused):
    """An event keeps at least one admin."""

    code = "last_admin"


class LimitReached(Refused):
    """The limit in details is reached."""

    code = "limit_reached"


class InvalidTransition(Refused):
    """Not possible in the current status."""

    code = "invalid_transition"


class BadFrame(NeedsFix):
    """The frame is not a JSON object or array."""

    code = "bad_frame"


class BadRequest(NeedsFix):
    """A field is missing or wrong: details.path."""

    code = "bad_request"


class UnknownType(NeedsFix):
    """No message has this type."""

    code = "unknown_type"


class TooLarge(NeedsFix):
    """The message or the batch is over its limit."""

    code = "too_large"


class TargetGone(NeedsFix):
    """The named item, option or comment was deleted."""

    code = "target_gone"


class Stale(NeedsFix):
    """The item has a newer version: details.current."""

    code = "stale"


class RevisionChanged(NeedsFix):
    """The proposal has a newer revision: details.current."""

    code = "revision_changed"


class StaleCriteria(NeedsFix):
    """The criteria changed: details.current."""

    code = "stale_criteria"


class VersionConflict(NeedsFix):
    """It was changed since: details.current."""

    code = "version_conflict"


class TooLate(NeedsFix):
    """The command's own not_after is past."""

    code = "too_late"


class IdConflict(NeedsFix):
    """This id was used for another command."""

    code = "id_conflict"


class Unauthenticated(NeedsAuth):
    """There is no valid token."""

    code = "unauthenticated"


class AuthExpired(NeedsAuth):
    """The token has expired; renew it."""

    code = "auth_expired"


class RateLimited(TryAgain):
    """Too fast; wait retry_after_ms."""

    code = "rate_limited"


class AuthEarly(TryAgain):
    """The token is not valid yet; wait retry_after_ms."""

    code = "auth_early"


class Busy(TryAgain):
    """Too many commands are waiting; wait retry_after_ms."""

    code = "busy"


class Draining(TryAgain):
    """The server is shutting down; reconnect."""

    code = "draining"


class Overloaded(TryAgain):
    """The database is out of reach."""

    code = "overloaded"


class Timeout(TryAgain):
    """No answer in time; send the same id again."""

    code = "timeout"
    effect = "unknown"


class CommitUnknown(TryAgain):
    """The connection to the database broke during COMMIT; send the same id again."""

    code = "commit_unknown"
    effect = "unknown"


class Internal(TryAgain):
    """A defect of the server; it was logged."""

    code = "internal"
    effect = "unknown"


class Stopped(LineError):
    """The client was stopped before the answer came.

    The command stays in the outbox, if there is one. Its id, sent again, settles it.
    """

    code = "stopped"
    effect = "unknown"
    retry = "same"


class Closed(LineError):
    """The server closed the connection for good, with a code of 4500 or more."""

    code = "closed"


class RoomClosed(LineError):
    """The room was closed; ``details["reason"]``: client, left, removed, revoked."""

    code = "room_closed"


class Unreachable(LineError):
    """No server answered."""

    code = "unreachable"
    retry = "same"


class OutboxError(LineError):
    """The outbox cannot be used."""

    code = "outbox"


class TakenBack(LineError):
    """The command was taken back before it had any effect."""

    code = "cancelled"


class NotSent(LineError):
    """There is no connection, and no later one sends this command."""

    code = "not_sent"


class Unanswered(LineError):
    """The connection broke before the answer; the same id, sent again, settles it."""

    code = "unanswered"
    effect = "unknown"


def _leaves(above: type[AyesError]) -> Iterator[type[AyesError]]:
    for below in above.__subclasses__():
        yield from _leaves(below)
        if below.code != AyesError.code:
            yield below


_SENT = (Refused, NeedsFix, NeedsAuth, TryAgain)
#: Code → class, for every code of the server.
CODES = {found.code: found for group in _SENT for found in _leaves(group)}
