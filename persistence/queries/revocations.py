"""Revocations of access: written by an operator, read by every node.

A node asks for what has changed since its last read. A cursor on a clock or a sequence would skip
the row of a transaction that took its number early and committed late. So each row has the id of
the transaction that wrote it. The cursor is the oldest transaction that was still running at the
last read: a row that was not visible then has that id or a higher one.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, DateTime, Text, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import insert

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import Statement


class Changes(NamedTuple):
    """The result of one read."""

    before: dict[str, datetime]
    """User → tokens issued before this moment are refused."""
    cursor: int
    """The cursor of the next read."""


def _changed() -> Statement:
    r = t.revocations
    running = func.pg_snapshot_xmin(func.pg_current_snapshot())
    look = select(cast(cast(running, Text), BigInteger).label("cursor")).subquery("look")
    return Statement(
        "revocations",
        select(look.c.cursor, r.c.user_id, r.c.revoked_before).select_from(
            look.outerjoin(r, r.c.changed >= bindparam("since", type_=BigInteger))
        ),
    )


def _revoke() -> Statement:
    given = bindparam("before", type_=DateTime(timezone=True))
    statement = insert(t.revocations).values(
        user_id=bindparam("user", type_=Text),
        revoked_before=func.coalesce(given, func.clock_timestamp()),
    )
    return Statement(
        "revoke",
        statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={
                # Never earlier than before: a refused token stays refused.
                "revoked_before": func.greatest(
                    t.revocations.c.revoked_before, statement.excluded.revoked_before
                ),
                "changed": statement.excluded.changed,
            },
        ).returning(t.revocations.c.revoked_before),
    )


_CHANGED = _changed()
_REVOKE = _revoke()


async def changed(database: Database, since: int = 0) -> Changes:
    """Return the revocations written since an earlier read. ``since``: its cursor, 0 for all."""
    async with database.connection() as connection:
        rows = await _CHANGED.rows(connection, since=since)
    before = {row["user_id"]: row["revoked_before"] for row in rows if row["user_id"] is not None}
    return Changes(before, rows[0]["cursor"])


async def revoke(database: Database, user: str, before: datetime | None = None) -> datetime:
    """Refuse the tokens of ``user`` that were issued before ``before`` (default: now).

    Returns the moment that applies: the later one, if an earlier call gave a later moment.
    """
    async with database.connection() as connection:
        row = await _REVOKE.row(connection, user=user, before=before)
    moment: datetime = row["revoked_before"]
    return moment


__all__ = ["Changes", "changed", "revoke"]
