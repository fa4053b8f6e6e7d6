"""Journals in the checker's form, read past every proxy while nothing is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence

import asyncpg
import msgspec

from tests.campaign.stores import Postgres
from tests.model.history import Json

_JOURNAL = """
SELECT event_id, user_id, command_id, seq, command, payload::text, answer::text, patches::text, at,
       salt, fingerprint, prev_hash, hash
FROM journal WHERE event_id = ANY($1) ORDER BY event_id, at
"""
_texts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def row_of(record: asyncpg.Record) -> Json:
    """A line of the journal in the checker's form."""
    texts = _texts.decode(record["patches"] or "{}")
    return {
        "user": record["user_id"],
        "id": record["command_id"],
        "seq": record["seq"],
        "command": record["command"],
        "payload": None if record["payload"] is None else json.loads(record["payload"]),
        "payload_text": record["payload"],
        "answer": json.loads(record["answer"]),
        "answer_text": record["answer"],
        "patches": {name: json.loads(bytes(text)) for name, text in texts.items()},
        "patches_text": {name: bytes(text).decode() for name, text in texts.items()},
        "at": record["at"],
        "salt": record["salt"],
        "fingerprint": record["fingerprint"],
        "prev_hash": record["prev_hash"],
        "hash": record["hash"],
    }


async def read_journals(postgres: Postgres, events: Sequence[str]) -> dict[str, list[Json]]:
    """The lines of each of ``events``."""
    found: dict[str, list[Json]] = {event: [] for event in events}
    for record in await postgres.rows(_JOURNAL, list(events)):
        found[record["event_id"]].append(row_of(record))
    return found


async def read_events(postgres: Postgres, name: str) -> list[str]:
    """The events that commands of the round ``name`` made."""
    made = "SELECT event_id FROM journal WHERE command = 'event.create' AND command_id LIKE $1"
    rows = await postgres.rows(f"{made} AND seq IS NOT NULL", f"{name}-%")
    return [row["event_id"] for row in rows]


async def read_epochs(postgres: Postgres, events: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Epoch and top of each of ``events``."""
    rows = await postgres.rows("SELECT id, epoch, seq FROM events WHERE id = ANY($1)", list(events))
    return {row["id"]: (row["epoch"], row["seq"]) for row in rows}
