"""A journal entry as an auditor reads it, and the hash that it must have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

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
    digests: Mapping[str, str] | None = None
    """The digests (hex) of what it said, by label, if words of it were erased since.

    Its texts then have placeholders, and its salt is empty: with it, a name could be tried.
    """


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
        digests=orjson.loads(row["digests"]) if row["digests"] is not None else None,
    )


def digests_of(entry: Entry) -> Mapping[str, str]:
    """Return the digests (hex) that the header of ``entry`` is made of, by label."""
    if entry.digests is not None:
        return entry.digests
    texts = {
        "user": entry.user.encode(),
        "id": entry.id.encode(),
        "payload": entry.payload.encode(),
        "answer": entry.answer.encode(),
        **entry.patches,
    }
    return {
        label: chain.digest(entry.salt, label.encode(), texts[label]).hex()
        for label in chain.LABELS
        if texts.get(label) or label in ("user", "id", "payload", "answer")
    }


def seal_of(entry: Entry) -> bytes:
    """Return the hash that ``entry`` must have: 32 bytes."""
    if entry.digests is not None:
        return chain.seal_digests(
            entry.prev_hash,
            seq=entry.seq,
            at=chain.moment(entry.at),
            command=entry.command,
            digests=entry.digests,
        )
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
