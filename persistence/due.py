"""What time has brought about, by the database's clock, in events that are in progress."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import DateTime, Integer, Text, bindparam, func, select, tuple_

from persistence import tables as t
from persistence.database import Database
from persistence.statements import Statement


class Opening(NamedTuple):
    """A moment, and a place among the proposals that open in the same one: many may."""

    opens_at: datetime
    event: str = ""
    proposal: str = ""


class Opened(NamedTuple):
    """A pending proposal that votes may decide since a moment."""

    opening: Opening
    revision: int


#: Before everything that opens. No null in its place: the index would not be entered at the moment,
#: and all that have opened and wait for votes read again with every look.
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_RUNNING = t.proposals.join(t.events, t.events.c.id == t.proposals.c.event_id)
_LIMIT: Any = bindparam("limit", type_=Integer)
_SINCE: Any = bindparam("since", type_=DateTime(timezone=True))
_OPENINGS = (t.proposals.c.opens_at, t.proposals.c.event_id, t.proposals.c.id)

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
    select(*_OPENINGS, t.proposals.c.revision)
    .select_from(_RUNNING)
    .where(
        t.proposals.c.status == "pending",
        t.proposals.c.opens_at <= func.statement_timestamp(),
        tuple_(*_OPENINGS)
        > tuple_(_SINCE, bindparam("event", type_=Text), bindparam("proposal", type_=Text)),
        t.events.c.status == "in_progress",
    )
    .order_by(*_OPENINGS)
    .limit(_LIMIT)
)


async def expired(database: Database, *, limit: int) -> list[tuple[str, str]]:
    """(event, proposal) whose time is over, the longest over first."""
    async with database.connection() as connection:
        rows = await _EXPIRED.rows(connection, limit=limit)
    return [(row["event_id"], row["id"]) for row in rows]


async def opened(
    database: Database, *, since: Opening | None, limit: int
) -> tuple[datetime, list[Opened]]:
    """The clock, and the pending proposals that opened after ``since``, the earliest first."""
    at, event, proposal = since or Opening(_BEFORE_ALL)
    async with database.connection() as connection:
        now: datetime = await connection.fetchval("SELECT statement_timestamp()")
        rows = await _OPENED.rows(connection, since=at, event=event, proposal=proposal, limit=limit)
    return now, [Opened(Opening(*opening), revision) for *opening, revision in rows]
