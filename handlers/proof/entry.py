"""A journal entry as an auditor reads it, and the hash that it must have."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

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
