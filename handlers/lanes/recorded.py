"""Answers in the journal: what an entry keeps of one, and the answer to a repeated id.

The entry of an idempotency id is looked up when the event's lock is taken
(``Transaction.lock_free``).
"""

from __future__ import annotations

from typing import Any

import msgspec

from persistence.event.records import Decided
from persistence.journal.transaction import JournalEntry
from protocol import answers
from protocol.errors import ErrorCode, FinalError


class _AckBody(msgspec.Struct):
    applied: bool
    result: msgspec.Raw


class _RefusalBody(msgspec.Struct):
    code: ErrorCode
    message: str
    details: dict[str, Any] = {}


_ack_body = msgspec.json.Decoder(_AckBody)
_refusal_body = msgspec.json.Decoder(_RefusalBody)


def remembered(entry: JournalEntry) -> Decided:
    """Return what the journal will remember of an entry that is being written."""
    return Decided(
        user_id=entry.user_id,
        command_id=entry.command_id,
        seq=entry.seq,
        salt=entry.salt,
        fingerprint=entry.fingerprint,
        answer=entry.answer,
        hash=entry.hash,
    )


def recorded_ack(event: str, known: Decided, *, replayed: bool) -> bytes:
    """Return the ack that the journal has, encoded."""
    assert known.seq is not None
    assert known.hash is not None
    body = _ack_body.decode(known.answer)
    return answers.ack(
        known.command_id,
        event,
        known.seq,
        known.hash.hex(),
        bytes(body.result),
        applied=body.applied,
        replayed=replayed,
    )


def recorded_refusal(known: Decided) -> FinalError:
    """Return the error that the journal has."""
    body = _refusal_body.decode(known.answer)
    return FinalError(body.code, body.message, details=body.details)
