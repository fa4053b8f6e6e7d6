"""Reads for an operator: nodes, events, users. They change nothing, and are bounded."""

from __future__ import annotations

from typing import Any, Final

from persistence.database.instance_lock import INSTANCE_LOCK_KEY
from persistence.database.pool import Database

#: The sessions that have or share the instance lock, one for each node. PostgreSQL shows a key of
#: 64 bits in two halves (``pg_locks``).
_NODES: Final = """
SELECT host(a.client_addr) AS address, a.backend_start AS since, a.pid
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND ((l.classid::bigint << 32) | l.objid::bigint) = $1
ORDER BY a.backend_start LIMIT $2
"""
_COLUMNS: Final = (
    "id, subject, status, seq, epoch, members, pending, proposals, comments, ballots, created_at, "
    "created_by"
)
_EVENTS: Final = f"SELECT {_COLUMNS} FROM events WHERE id > $1 ORDER BY id LIMIT $2"  # noqa: S608
_EVENT: Final = f"""
SELECT {_COLUMNS} FROM events
WHERE id = coalesce((SELECT event_id FROM entrance_codes WHERE code = $1), $1)
"""  # noqa: S608
_ADMINS: Final = """
SELECT user_id AS user, name FROM memberships
WHERE event_id = $1 AND status = 'accepted' AND role = 'admin' LIMIT $2
"""
#: No payload, no answer, no user: a secret vote stays one.
_STEPS: Final = """
SELECT seq, at, command FROM journal WHERE event_id = $1 AND seq > $2 ORDER BY seq DESC LIMIT $3
"""
_USER: Final = "SELECT id, name FROM users WHERE id = $1"
_MEMBERSHIPS: Final = """
SELECT m.event_id AS event, e.subject, m.status, m.role
FROM memberships AS m JOIN events AS e ON e.id = m.event_id
WHERE m.user_id = $1 ORDER BY m.event_id LIMIT $2
"""
_REVOKED: Final = "SELECT revoked_before FROM revocations WHERE user_id = $1"
#: Entries of a journal that one look shows.
MAX_STEPS: Final = 20


async def nodes(database: Database, limit: int) -> list[dict[str, Any]]:
    """Return the servers that use the database now, the oldest first; dicts by column."""
    return await _rows(database, _NODES, INSTANCE_LOCK_KEY, limit)


async def events(database: Database, after: str, limit: int) -> list[dict[str, Any]]:
    """Return up to ``limit`` events with ids above ``after``, in their order; dicts by column."""
    return await _rows(database, _EVENTS, after, limit)


async def event(database: Database, asked: str, limit: int) -> dict[str, Any] | None:
    """Return the event with that id or entrance code, or ``None``.

    A dict by column. ``admins`` has up to ``limit`` of them, ``steps`` the last entries of its
    journal.
    """
    found = await _rows(database, _EVENT, asked)
    if not found:
        return None
    id, seq = found[0]["id"], found[0]["seq"]
    return found[0] | {
        "admins": await _rows(database, _ADMINS, id, limit),
        "steps": await _rows(database, _STEPS, id, max(seq - MAX_STEPS, 0), MAX_STEPS),
    }


async def user(database: Database, id: str, limit: int) -> dict[str, Any] | None:
    """Return what is known of a user, or ``None``.

    ``revoked_before``: tokens issued before that moment are refused. ``memberships`` has up to
    ``limit`` of them. ``name`` is ``None`` if the user never came.
    """
    found = await _rows(database, _USER, id)
    revoked = await _rows(database, _REVOKED, id)
    if not found and not revoked:
        return None
    return {
        "user": id,
        "name": found[0]["name"] if found else None,
        "revoked_before": revoked[0]["revoked_before"] if revoked else None,
        "memberships": await _rows(database, _MEMBERSHIPS, id, limit),
    }


async def _rows(database: Database, sql: str, *arguments: Any) -> list[dict[str, Any]]:
    async with database.connection() as connection:
        return [dict(row) for row in await connection.fetch(sql, *arguments)]
