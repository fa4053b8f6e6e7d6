"""A journal entry as an auditor reads it, and the hash that it must have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from persistence.journal import chain


class Entry(NamedTuple):
    """A journal entry as it was stored or exported, with its texts unchanged."""

    seq: int
    at: datetime
    command: str
    user: str
    id: str
    salt: bytes
    payload: str
    answer: str
    patches: dict[str, bytes]
    prev_hash: bytes
    hash: bytes


def entry_of(row: Mapping[str, Any]) -> Entry:
    """A row of the journal as an entry."""
    return Entry(
        seq=row["seq"],
        at=row["at"],
        command=row["command"],
        user=row["user_id"],
        id=row["command_id"],
        salt=row["salt"],
        payload=row["payload"],
        answer=row["answer"],
        patches=chain.labelled(row["patches"]),
        prev_hash=row["prev_hash"],
        hash=row["hash"],
    )


def seal_of(entry: Entry) -> bytes:
    """Return the hash that ``entry`` must have."""
    return chain.seal(
        entry.prev_hash,
        seq=entry.seq,
        at=chain.moment(entry.at),
        command=entry.command,
        salt=entry.salt,
        user=entry.user.encode(),
        id=entry.id.encode(),
        fingerprint=chain.digest(entry.salt, b"payload", entry.payload.encode()),
        answer=entry.answer.encode(),
        patches=entry.patches,
    )
