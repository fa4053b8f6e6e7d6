"""Decide one command in memory: from a submission to its answer and its journal entry.

Pure: it changes the state that it is given and returns a ``Decision``. If the state lacks a record,
it raises ``Missing`` and leaves the state as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Set
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
import orjson

from handlers.audiences import NO_PATCHES, Patches, patches_of
from handlers.commands.registry import HANDLERS
from handlers.lanes.recorded import recorded_ack, recorded_refusal
from handlers.rules import permissions
from handlers.rules.lateness import check_in_time
from handlers.rules.limits import adopt, records_limits
from handlers.rules.timers import TIMERS, NotDue
from handlers.step import Actor, Step
from persistence.event.limits import RULES, DomainLimits
from persistence.event.records import Decided, TableName
from persistence.event.state import EventState, Missing
from persistence.journal import chain
from persistence.journal.transaction import CommandKey, JournalEntry
from protocol import answers
from protocol.commands import Command, EventCreate, MembershipJoin, event_of, type_of
from protocol.errors import FINAL, ErrorCode, FinalError, ProtocolError, RetryableError

log = logging.getLogger("ayes.handlers")

#: Bytes of randomness that a submission carries: for the entrance code, the epoch and the salt. Too
#: few would make them guessable.
ENTROPY_BYTES = 32
_SALT = slice(16, 32)


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The message to send, and its error code if it is an error."""

    message: bytes
    error: ErrorCode | None = None


#: Called with a submission and its answer.
Reply: TypeAlias = "Callable[[Submission, Answer], None]"


class Submission:
    """A command on its way to a decision, with everything that must be equal in a retry."""

    __slots__ = (
        "actor",
        "answered",
        "command",
        "commit_attempted",
        "deadline",
        "entropy",
        "expires",
        "issued",
        "key",
        "payload",
        "received",
        "reply",
        "span",
    )

    def __init__(
        self,
        command: Command,
        actor: Actor,
        *,
        entropy: bytes,
        reply: Reply,
        expires: datetime | None = None,
        issued: datetime | None = None,
        payload: bytes | None = None,
    ) -> None:
        self.command = command
        self.actor = actor
        self.entropy = entropy
        self.reply = reply
        self.expires = expires
        """When the sender's token expires, checked under the lock; ``None``: the server's own."""
        self.issued = issued
        """When the token was issued, if it says so: a revocation may have ended it since."""
        self.key: CommandKey = (actor.user, command.id)
        self.payload = payload or msgspec.json.encode(command)
        """The command as it was understood, here or on its way; a repeat must be equal to it."""
        self.answered = False
        self.commit_attempted = False
        """Whether a COMMIT that includes this command was sent: it may have been decided."""
        self.deadline = 0.0
        """The loop's time by which the lane answers; set by the lane."""
        self.received = 0.0
        """``time.monotonic()`` when a client's command came; 0 for the server's own."""
        self.span: object | None = None
        """The span of a trace, for the observer that made it."""

    def respond(self, answer: Answer) -> None:
        """Send the answer. If the receiver raises, log it: other commands must be answered too."""
        self.answered = True
        try:
            self.reply(self, answer)
        except Exception:
            log.exception("an answer could not be given")

    def is_author_of(self, known: Decided) -> bool:
        """Whether this very submission wrote ``known``, and not another one with the same id.

        Each submission has a salt of its own, on every node.
        """
        return known.salt == self.entropy[_SALT]


class StepRecord(msgspec.Struct, frozen=True, gc=False):
    """An accepted command, as it is published to the rooms; ``previous``: the hash before it."""

    seq: int
    hash: bytes
    patches: Patches
    encoded: dict[str, bytes]
    """The patches as the journal stores them, by audience."""
    previous: bytes


class Decision(msgspec.Struct, frozen=True, gc=False):
    """A decision: the answer, and the entry and step to store and publish, if any."""

    answer: Answer
    entry: JournalEntry | None = None
    step: StepRecord | None = None
    changed: Mapping[tuple[TableName, Any], Any] = MappingProxyType({})
    event_changed: bool = False
    tallied: Set[str] = frozenset()
    """Proposals of which only the tally changed."""


def decide(
    state: EventState, submission: Submission, now: datetime, limits: DomainLimits
) -> Decision | None:
    """Decide ``submission`` at ``now``; return ``None`` if a timer came too early.

    ``limits`` are the node's; they apply to an event that has none recorded.
    Raises ``Missing`` and leaves the state as it was.
    """
    command = submission.command
    if submission.expires is not None and now >= submission.expires:
        return Decision(_error(submission, RetryableError(ErrorCode.AUTH_EXPIRED)))
    step = Step(
        state,
        actor=submission.actor,
        command_id=command.id,
        now=now,
        limits=limits,
        entropy=submission.entropy,
    )
    try:
        if command.not_after is not None:
            check_in_time(command, now)
        timer = TIMERS.get(type(command))
        if state.event_record is None and not isinstance(command, EventCreate):
            raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
        if timer is not None:
            outcome = timer(step, command)
        else:
            if state.event_record is not None and state.event_record.limits is None:
                adopt(step)
            permissions.check(step, command)
            outcome = HANDLERS[type(command)](step, command)
        patches = patches_of(step) if outcome.applied or records_limits(step) else NO_PATCHES
        # Encoded here, so that a value that cannot be encoded fails this command alone.
        result = orjson.dumps(outcome.result)
        encoded = _encode(patches)
    except Missing:
        step.undo()
        raise
    except NotDue:
        step.undo()
        return None
    except FinalError as refusal:
        step.undo()
        return _refused(state, submission, refusal, now)
    except Exception:
        step.undo()
        kind = type_of(command)
        log.exception("%s failed", kind, extra={"command": command.id, "type": kind})
        return Decision(_error(submission, ProtocolError(ErrorCode.INTERNAL)))
    return _accepted(submission, step, outcome.applied, result, patches, encoded)


def _encode(patches: Patches) -> dict[str, bytes]:
    """Encode the patches that are not empty, in the order of ``chain.PATCH_LABELS``."""
    encoded: dict[str, bytes] = {}
    if patches.member:
        encoded["member"] = answers.encode_kept(patches.member)
    if patches.admin:
        encoded["admin"] = answers.encode_kept(patches.admin)
    if patches.applicant:
        encoded["applicant"] = answers.encode_kept(patches.applicant)
    if patches.you:
        encoded["you"] = answers.encode_kept(patches.you)
    if patches.everyone:
        encoded["everyone"] = answers.encode_kept(patches.everyone)
    return encoded


def _accepted(
    submission: Submission,
    step: Step,
    applied: bool,
    result: bytes,
    patches: Patches,
    encoded: dict[str, bytes],
) -> Decision:
    """Give the step its position and seal it."""
    state, now = step.state, step.now
    user, id = submission.key
    kind = type_of(submission.command)
    told = b"true" if applied else b"false"
    body = b'{"applied":%b,"result":%b%b}' % (told, result, rulings(step).encode())
    salt = submission.entropy[_SALT]
    fingerprint = chain.digest(salt, b"payload", submission.payload)
    seq, previous = state.seq + 1, state.hash
    sealed = chain.seal(
        previous,
        seq=seq,
        at=chain.moment(now),
        command=kind,
        salt=salt,
        user=user.encode(),
        id=id.encode(),
        fingerprint=fingerprint,
        answer=body,
        patches=encoded,
    )
    state.seq, state.hash = seq, sealed
    stored = ""
    for label, text in encoded.items():
        stored += f'{"," if stored else ""}"{label}":{text.decode()}'
    # By position, which costs half as much as by name.
    entry = JournalEntry(
        state.id,
        user,
        id,
        seq,
        kind,
        salt,
        fingerprint,
        submission.payload.decode(),
        body.decode(),
        "{" + stored + "}",
        now,
        previous,
        sealed,
    )
    message = answers.ack(id, state.id, seq, sealed.hex(), result, applied=applied)
    return Decision(
        Answer(message),
        entry,
        StepRecord(seq, sealed, patches, encoded, previous),
        step.before,
        step.event_before is not state.event_record,
        step.tallied,
    )


def rulings(step: Step) -> str:
    """Return the part of the stored answer that says which limits and rules decided.

    It is not sent to clients.
    """
    if records_limits(step):
        return f',"limits":{step.event.limits}'
    # The limits were recorded by a newer version. It learns here which of its rules did not apply.
    return f',"rules":{RULES}' if step.limits.rules > RULES else ""


def _refused(
    state: EventState, submission: Submission, refusal: FinalError, now: datetime
) -> Decision:
    """Refuse for good: remember the error, so that a late duplicate cannot succeed after it."""
    answer = _error(submission, refusal, state)
    if state.event_record is None or refusal.code not in FINAL:
        return Decision(answer)
    if refusal.code == ErrorCode.TOO_LATE and _is_stranger(state, submission):
        # If it were remembered, another command with this id would get `id_conflict`, which would
        # show a stranger that the event exists. Without a record it is still too late.
        return Decision(answer)
    salt = submission.entropy[_SALT]
    body = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
    entry = JournalEntry(
        event_id=state.id,
        user_id=submission.actor.user,
        command_id=submission.command.id,
        seq=None,
        command=type_of(submission.command),
        salt=salt,
        fingerprint=chain.digest(salt, b"payload", submission.payload),
        # The fingerprint distinguishes a repeat from another command; nothing else needs the text.
        payload=None,
        answer=orjson.dumps(body).decode(),
        patches=None,
        at=now,
        prev_hash=None,
        hash=None,
    )
    return Decision(answer, entry)


def _is_stranger(state: EventState, submission: Submission) -> bool:
    """Whether the sender has no membership in the event, and no code that opens it."""
    is_joining = isinstance(submission.command, MembershipJoin)
    return not is_joining and state.membership(submission.actor.user) is None


def replay(state: EventState, submission: Submission, known: Decided, *, first: bool) -> Answer:
    """Give the recorded answer again; ``id_conflict`` if the command differs from the recorded one.

    ``state`` has the sender's membership. ``first``: the sender has had no answer yet, since the
    connection broke during COMMIT.
    """
    said = chain.digest(known.salt, b"payload", submission.payload)
    # Without a salt its words were erased: the id alone says that this is a repeat.
    is_same = not known.salt or said == known.fingerprint
    if known.seq is not None and is_same:
        return Answer(recorded_ack(state.id, known, replayed=not first))
    if known.seq is None:
        refusal = recorded_refusal(known)
        # For a stranger a remembered "not found" must look like any other. Otherwise it would show
        # that the event exists.
        if refusal.code == ErrorCode.NOT_FOUND and state.membership(known.user_id) is None:
            return _error(submission, refusal, state)
        if is_same:
            return _error(submission, refusal, state, replayed=not first)
    return _error(submission, RetryableError(ErrorCode.ID_CONFLICT), state)


def failed(submission: Submission, err: ProtocolError, state: EventState | None = None) -> Answer:
    """Return the answer to a command about which nothing was decided."""
    return _error(submission, err, state)


def _error(
    submission: Submission,
    err: ProtocolError,
    state: EventState | None = None,
    *,
    replayed: bool = False,
) -> Answer:
    event = event_of(submission.command)
    message = answers.error(err, id=submission.command.id, event=event, replayed=replayed)
    return Answer(message, err.code)
