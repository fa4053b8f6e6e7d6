"""Journals in the checker's form, read past every proxy while nothing is wrong."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

import asyncpg
import msgspec

from tests.campaign.stores import Postgres
from tests.model.history import Json

_COLUMNS = """event_id, user_id, command_id, seq, command, payload::text, answer::text,
    patches::text, at, salt, fingerprint, prev_hash, hash, digests::text"""
_JOURNAL = f"""
SELECT {_COLUMNS}
FROM journal WHERE event_id = ANY($1) ORDER BY event_id, at
"""
#: What rows said before an erasure or a deletion, and the step that shows an erasure: it is the
#: next one of the event, whose row the transaction has locked.
_BEFORE = f"""
SELECT {_COLUMNS}, erased_at FROM journal_before WHERE event_id = ANY($1) ORDER BY number
"""
_KEEP_BEFORE = """
CREATE TABLE journal_before AS
    SELECT *, 0::bigint AS erased_at, 0::bigint AS number FROM journal LIMIT 0;
CREATE SEQUENCE journal_before_numbers;
CREATE FUNCTION keep_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO journal_before
    SELECT OLD.*, (SELECT seq + 1 FROM events WHERE id = OLD.event_id),
           nextval('journal_before_numbers');
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER keep_before BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION keep_before();
"""
#: Of deleted events, the lines with seq are emptied, and the refusals are gone.
_DELETED = "SELECT event_id FROM deleted_events WHERE event_id = ANY($1)"
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
        "digests": None if record["digests"] is None else json.loads(record["digests"]),
    }


async def keep_erased(postgres: Postgres) -> None:
    """Have the database keep what an erasure or a deletion changes, for the checker."""
    connection = await postgres.connect()
    try:
        await connection.execute(_KEEP_BEFORE)
    finally:
        await connection.close()


async def read_journals(postgres: Postgres, events: Sequence[str]) -> dict[str, list[Json]]:
    """The lines of each of ``events``, as they were before words were erased; since then they say
    what ``rewritten`` has. Of a deleted event, the lines of just before."""
    found: dict[str, list[Json]] = {event: [] for event in events}
    earlier: dict[tuple[str, str, str], list[tuple[int, Json]]] = defaultdict(list)
    for record in await postgres.rows(_BEFORE, list(events)):
        key = (record["event_id"], record["user_id"], record["command_id"])
        earlier[key].append((record["erased_at"], row_of(record)))
    deleted = {record["event_id"] for record in await postgres.rows(_DELETED, list(events))}
    for record in await postgres.rows(_JOURNAL, list(events)):
        if record["event_id"] not in deleted:
            key = (record["event_id"], record["user_id"], record["command_id"])
            found[record["event_id"]].append(_with_versions(earlier.get(key, []), row_of(record)))
    for (event, _, _), versions in earlier.items():
        if event in deleted:
            *before, (_, last) = versions
            found[event].append(_with_versions(before, last))
    return found


def _with_versions(before: Sequence[tuple[int, Json]], now: Json) -> Json:
    """The line as it was at first, with its later versions."""
    if not before:
        return now
    later = [*(version for _, version in before[1:]), now]
    changed = [(erased_at, version) for (erased_at, _), version in zip(before, later, strict=True)]
    return before[0][1] | {"rewritten": changed}


async def read_events(postgres: Postgres, name: str) -> list[str]:
    """The events that commands of the round ``name`` made."""
    made = "SELECT event_id FROM journal WHERE command = 'event.create' AND command_id LIKE $1"
    rows = await postgres.rows(f"{made} AND seq IS NOT NULL", f"{name}-%")
    return [row["event_id"] for row in rows]


async def read_epochs(postgres: Postgres, events: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Epoch and top of each of ``events``."""
    rows = await postgres.rows("SELECT id, epoch, seq FROM events WHERE id = ANY($1)", list(events))
    return {row["id"]: (row["epoch"], row["seq"]) for row in rows}
