"""What time has brought about, by the database's clock, in events that are in progress."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import DateTime, Integer, bindparam, func, or_, select

from persistence import tables as t
from persistence.database import Database
from persistence.statements import Statement


class Opened(NamedTuple):
    """A pending proposal that votes may decide since ``opens_at``."""

    event: str
    proposal: str
    revision: int
    opens_at: datetime


_RUNNING = t.proposals.join(t.events, t.events.c.id == t.proposals.c.event_id)
_LIMIT: Any = bindparam("limit", type_=Integer)
_SINCE: Any = bindparam("since", type_=DateTime(timezone=True))

_EXPIRED = Statement(
    select(t.proposals.c.event_id, t.proposals.c.id)
    .select_from(_RUNNING)
    .where(
        t.proposals.c.status == "pending",
        t.proposals.c.expires_at <= func.statement_timestamp(),
        t.events.c.status == "in_progress",
    )
    .order_by(t.proposals.c.expires_at)
    .limit(_LIMIT)
)
_OPENED = Statement(
    select(
        t.proposals.c.event_id,
        t.proposals.c.id,
        t.proposals.c.revision,
        t.proposals.c.opens_at,
    )
    .select_from(_RUNNING)
    .where(
        t.proposals.c.status == "pending",
        t.proposals.c.opens_at <= func.statement_timestamp(),
        or_(_SINCE.is_(None), t.proposals.c.opens_at > _SINCE),
        t.events.c.status == "in_progress",
    )
    .order_by(t.proposals.c.opens_at)
    .limit(_LIMIT)
)


async def expired(database: Database, *, limit: int) -> list[tuple[str, str]]:
    """(event, proposal) whose time is over, the longest over first."""
    async with database.connection() as connection:
        rows = await _EXPIRED.rows(connection, limit=limit)
    return [(row["event_id"], row["id"]) for row in rows]


async def opened(
    database: Database, *, since: datetime | None, limit: int
) -> tuple[datetime, list[Opened]]:
    """The clock, and the pending proposals that opened after ``since``, the earliest first."""
    async with database.connection() as connection:
        now: datetime = await connection.fetchval("SELECT statement_timestamp()")
        rows = await _OPENED.rows(connection, since=since, limit=limit)
    return now, [Opened(*row) for row in rows]
