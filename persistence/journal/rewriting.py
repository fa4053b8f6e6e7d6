"""Writes of an operator's acts: entries without erased words, and the end of an event.

All of it runs in a transaction that has locked the event's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import asyncpg
import orjson

from persistence.database.pool import Database

#: Seconds that one statement of such an act may take, and that its transaction may pause while the
#: event is decided again. The event's lock is held meanwhile, and its commands are `busy`.
ACT_TIMEOUT_S: Final = 600.0
#: Entries that one statement writes. Bounds the memory of one message to PostgreSQL.
MAX_REWRITTEN_ROWS: Final = 500

#: Tables of which an event's rows are deleted. Its entrance codes stay, as retired ones.
_OF_EVENT: Final = (
    *("memberships", "options", "items", "item_history", "proposals", "votes", "ballots"),
    *("comments", "invitations"),
)
#: Commands whose results have names.
_NAMING: Final = ("membership.rename", "invitation.create")

_PATIENCE: Final = """
SELECT set_config(name, $1, true)
FROM unnest(ARRAY['statement_timeout', 'idle_in_transaction_session_timeout']) AS given(name)
"""
_REWRITE: Final = """
UPDATE journal AS j
SET payload = new.payload::json, answer = new.answer::json, patches = new.patches::json,
    digests = new.digests::json, salt = ''
FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
  AS new(seq, payload, answer, patches, digests)
WHERE j.event_id = $1 AND j.seq = new.seq
"""
_REWRITE_HISTORY: Final = """
UPDATE item_history AS h SET content = new.content
FROM unnest($2::text[], $3::text[], $4::integer[], $5::text[])
  AS new(item_id, part, version, content)
WHERE h.event_id = $1 AND h.item_id = new.item_id AND h.part = new.part
  AND h.version = new.version
"""
#: Without a salt, nobody can try what a refused command said.
_FORGET_REFUSED: Final = (
    "UPDATE journal SET salt = '' WHERE event_id = $1 AND user_id = $2 AND seq IS NULL"
)
_HIDE_USER: Final = "UPDATE users SET name = '[erased]' WHERE id = $1 AND name <> id"
_TOOK_PART: Final = """
SELECT id FROM events AS e
WHERE id = ANY($1) AND (
  EXISTS (SELECT FROM memberships WHERE event_id = e.id AND user_id = $2)
  OR EXISTS (SELECT FROM journal WHERE event_id = e.id AND user_id = $2)
  OR EXISTS (SELECT FROM invitations WHERE event_id = e.id AND id = $3)
) ORDER BY id
"""
_DONE: Final = """
SELECT coalesce((
  SELECT max(seq) FROM journal
  WHERE event_id = $1 AND user_id = '' AND command = 'event.erase' AND payload ->> 'user' = $2
), 0) > coalesce((SELECT max(seq) FROM journal WHERE event_id = $1 AND user_id = $2), 0)
"""
_STRIP: Final = """
UPDATE journal SET payload = NULL, patches = NULL, digests = NULL, salt = '', fingerprint = '',
  answer = CASE WHEN command = ANY($2)
    THEN json_build_object('applied', answer -> 'applied', 'result', json_build_object())
    ELSE answer END
WHERE event_id = $1 AND seq IS NOT NULL
"""
_FORGET_GUESTS: Final = """
DELETE FROM users WHERE id IN (
  SELECT user_id FROM memberships
  WHERE event_id = $1 AND (starts_with(user_id, $2) OR starts_with(user_id, $3))
)
"""


class Rewritten(NamedTuple):
    """The texts of an entry as they are stored from now on, and the digests of what it said."""

    seq: int
    payload: str
    answer: str
    patches: str
    digests: Mapping[str, str]


async def be_patient(connection: asyncpg.Connection[Any]) -> None:
    """Let this transaction take ``ACT_TIMEOUT_S`` where others take seconds."""
    await connection.execute(_PATIENCE, str(int(ACT_TIMEOUT_S * 1000)))


async def rewrite(
    connection: asyncpg.Connection[Any], event_id: str, entries: Sequence[Rewritten]
) -> None:
    """Write ``entries`` in place of what they said; their hashes stay."""
    for start in range(0, len(entries), MAX_REWRITTEN_ROWS):
        some = entries[start : start + MAX_REWRITTEN_ROWS]
        await connection.execute(
            _REWRITE,
            event_id,
            [entry.seq for entry in some],
            [entry.payload for entry in some],
            [entry.answer for entry in some],
            [entry.patches for entry in some],
            [orjson.dumps(entry.digests).decode() for entry in some],
            timeout=ACT_TIMEOUT_S,
        )


async def rewrite_history(
    connection: asyncpg.Connection[Any],
    event_id: str,
    versions: Iterable[tuple[str, str, int, str | None]],
) -> None:
    """Write the texts of items' versions: (item, part, version, content)."""
    columns = [list(column) for column in zip(*versions, strict=True)]
    if columns:
        await connection.execute(_REWRITE_HISTORY, event_id, *columns, timeout=ACT_TIMEOUT_S)


async def forget_refused(connection: asyncpg.Connection[Any], event_id: str, user: str) -> None:
    """Keep of the user's refused commands only that and how they were refused."""
    await connection.execute(_FORGET_REFUSED, event_id, user, timeout=ACT_TIMEOUT_S)


async def hide_user(database: Database, user: str) -> None:
    """Take the name out of the user's own row."""
    async with database.connection() as connection:
        await connection.execute(_HIDE_USER, user)


async def took_part(
    database: Database, events: Sequence[str], user: str, invitation: str | None
) -> list[str]:
    """Return the ``events`` that may contain data of ``user``."""
    async with database.connection() as connection:
        rows = await connection.fetch(_TOOK_PART, list(events), user, invitation)
    return [row["id"] for row in rows]


async def is_erased(database: Database, event_id: str, user: str) -> bool:
    """Whether the user did nothing in the event since their words were erased there."""
    async with database.connection() as connection:
        return bool(await connection.fetchval(_DONE, event_id, user))


async def delete(
    connection: asyncpg.Connection[Any], event_id: str, prefixes: tuple[str, str]
) -> None:
    """Delete the event, and the users with one of ``prefixes``, who belong to it alone.

    The journal keeps whose command had which id, and the answer, without names.
    """
    timeout = ACT_TIMEOUT_S
    await connection.execute(
        "INSERT INTO deleted_events (event_id, seq, hash)"
        " SELECT id, seq, hash FROM events WHERE id = $1",
        event_id,
    )
    await connection.execute(_STRIP, event_id, list(_NAMING), timeout=timeout)
    await connection.execute(
        "DELETE FROM journal WHERE event_id = $1 AND seq IS NULL", event_id, timeout=timeout
    )
    await connection.execute(_FORGET_GUESTS, event_id, *prefixes, timeout=timeout)
    for table in _OF_EVENT:
        await connection.execute(
            f"DELETE FROM {table} WHERE event_id = $1",  # noqa: S608 - a name from above
            event_id,
            timeout=timeout,
        )
    await connection.execute("DELETE FROM events WHERE id = $1", event_id)


async def is_deleted(database: Database, event_id: str) -> bool:
    """Whether an operator deleted the event."""
    async with database.connection() as connection:
        found = await connection.fetchval(
            "SELECT 1 FROM deleted_events WHERE event_id = $1", event_id
        )
    return found is not None
