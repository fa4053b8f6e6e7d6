"""Events and proposals that are due, by the database's clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import DateTime, Integer, Text, bindparam, func, select, tuple_

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import Statement


class Due(NamedTuple):
    """A proposal and its moment; the scan pages through them in this order."""

    at: datetime
    event: str = ""
    proposal: str = ""


class Opened(NamedTuple):
    """A pending proposal that votes can decide since its ``opens_at``."""

    due: Due
    revision: int


class Expired(NamedTuple):
    """A pending proposal that has expired."""

    due: Due
    runs: bool
    """Whether its event is in progress; otherwise it stays pending."""


#: The start of the scan. A timestamp, not NULL: with a NULL bound the index scan starts at its
#: beginning and re-reads every open proposal on each tick.
EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_LIMIT: Any = bindparam("limit", type_=Integer)


def _after(moment: Any) -> Any:
    """Select pending proposals whose ``moment`` has come, after ``:since``, ``:event``,
    ``:proposal``.
    """
    place = (moment, t.proposals.c.event_id, t.proposals.c.id)
    since = (
        bindparam("since", type_=DateTime(timezone=True)),
        bindparam("event", type_=Text),
        bindparam("proposal", type_=Text),
    )
    return (
        select(*place, t.proposals.c.revision)
        .where(
            t.proposals.c.status == "pending",
            moment <= func.statement_timestamp(),
            tuple_(*place) > tuple_(*since),
        )
        .order_by(*place)
    )


def _with_status(found: Any, *more: Any) -> Any:
    """Join ``found`` with its events."""
    place = list(found.c)[:3]
    return (
        select(*place, *more)
        .select_from(found.join(t.events, t.events.c.id == found.c.event_id))
        .order_by(*place)
    )


_RUNS = t.events.c.status == "in_progress"
# A page of all expired proposals: in paused events they remain expired, so the scan pages.
_over = _after(t.proposals.c.expires_at).limit(_LIMIT).subquery("over")
_EXPIRED = Statement("due_expired", _with_status(_over, _RUNS.label("runs")))
_open = _after(t.proposals.c.opens_at).subquery("open")
_OPENED = Statement("due_opened", _with_status(_open, _open.c.revision).where(_RUNS).limit(_LIMIT))


class Scheduled(NamedTuple):
    """An event that should have started or finished at ``at``."""

    at: datetime
    event: str


def _scheduled(moment: Any, status: str) -> Statement:
    """Select events in ``status`` whose ``moment`` has come, the longest due first."""
    return Statement(
        f"due_{status}",
        select(moment, t.events.c.id)
        .where(t.events.c.status == status, moment <= func.statement_timestamp())
        .order_by(moment, t.events.c.id)
        .limit(_LIMIT),
    )


_STARTS = _scheduled(t.events.c.starts_at, "not_started")
_ENDS = _scheduled(t.events.c.ends_at, "in_progress")


async def scheduled(database: Database, *, limit: int) -> tuple[list[Scheduled], list[Scheduled]]:
    """Return events that their schedule starts now, and those that it finishes.

    Each is left out once it was carried out, so no scan needs a page.
    """
    async with database.connection() as connection:
        starts = await _STARTS.rows(connection, limit=limit)
        ends = await _ENDS.rows(connection, limit=limit)
    return [Scheduled(*row) for row in starts], [Scheduled(*row) for row in ends]


async def expired(database: Database, *, since: Due | None, limit: int) -> list[Expired]:
    """Return the next expired proposals, the longest expired first, in events of any status."""
    async with database.connection() as connection:
        rows = await _EXPIRED.rows(connection, limit=limit, **_place(since))
    return [Expired(Due(*due), runs) for *due, runs in rows]


async def opened(
    database: Database, *, since: Due | None, limit: int
) -> tuple[datetime, list[Opened]]:
    """Return the clock, and the pending proposals that opened after ``since``, earliest first."""
    async with database.connection() as connection:
        now: datetime = await connection.fetchval("SELECT statement_timestamp()")
        rows = await _OPENED.rows(connection, limit=limit, **_place(since))
    return now, [Opened(Due(*due), revision) for *due, revision in rows]


def _place(since: Due | None) -> dict[str, Any]:
    at, event, proposal = since or Due(EPOCH_START)
    return {"since": at, "event": event, "proposal": proposal}
