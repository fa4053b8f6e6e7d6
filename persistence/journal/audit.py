"""The journal as entries and the tables as rows, to check one against the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from sqlalchemy import BigInteger, Integer, bindparam, select

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import EVENT, Statement, record_columns
from persistence.event.loading import EVENT_ROW, read
from persistence.event.records import (
    Ballot,
    Comment,
    Event,
    Invitation,
    Item,
    ItemVersion,
    Membership,
    Option,
    Proposal,
    Vote,
)

#: Entries read in one statement; further ones follow in the next. Bounds the memory of one read.
JOURNAL_PAGE_SIZE = 500

_LINES = Statement(
    "audit_lines",
    select(t.journal)
    .where(
        t.journal.c.event_id == EVENT,
        t.journal.c.seq > bindparam("after", type_=BigInteger),
    )
    .order_by(t.journal.c.seq)
    .limit(bindparam("limit", type_=Integer)),
)
_ERASED = Statement(
    "audit_erased",
    select(t.journal.c.seq)
    .where(t.journal.c.event_id == EVENT, t.journal.c.seq > 0, t.journal.c.digests.is_not(None))
    .limit(1),
)
_RECORDS: dict[str, Any] = {
    "memberships": Membership,
    "options": Option,
    "items": Item,
    "item_history": ItemVersion,
    "proposals": Proposal,
    "votes": Vote,
    "ballots": Ballot,
    "comments": Comment,
    "invitations": Invitation,
}
_ROWS = {
    name: Statement(
        "audit_rows",
        select(*record_columns(t.metadata.tables[name])).where(
            t.metadata.tables[name].c.event_id == EVENT
        ),
    )
    for name in _RECORDS
}


async def lines(
    database: Database, event_id: str, *, after: int = 0
) -> AsyncIterator[dict[str, Any]]:
    """Yield the accepted entries after position ``after``, in order: rows of the journal, as dicts
    by column.
    """
    while True:
        async with database.connection() as connection:
            page = await _LINES.rows(
                connection, event=event_id, after=after, limit=JOURNAL_PAGE_SIZE
            )
        for row in page:
            yield dict(row)
        if len(page) < JOURNAL_PAGE_SIZE:
            return
        after = page[-1]["seq"]


async def journal_page(
    database: Database, event_id: str, *, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return up to ``limit`` of the entries that ``lines`` yields."""
    async with database.connection() as connection:
        rows = await _LINES.rows(connection, event=event_id, after=after, limit=limit)
    return [dict(row) for row in rows]


async def has_erased(database: Database, event_id: str) -> bool:
    """Whether words were erased from an entry of the event."""
    async with database.connection() as connection:
        row = await _ERASED.row(connection, event=event_id)
    return row is not None


async def event_row(database: Database, event_id: str) -> Event | None:
    """Return the event's row, or ``None`` if there is no such event."""
    async with database.connection() as connection:
        row = await EVENT_ROW.row(connection, event=event_id)
    return read(Event, row) if row else None


async def everything(database: Database, event_id: str) -> tuple[Event, dict[str, list[Any]]]:
    """Return the event's row, and its records by the name of their table, all from one moment.

    The event must exist.
    """
    async with database.snapshot() as connection:
        return await everything_on(connection, event_id)


async def everything_on(
    connection: asyncpg.Connection[Any], event_id: str
) -> tuple[Event, dict[str, list[Any]]]:
    """Return what ``everything`` does, as a transaction sees it that has locked the event."""
    event = read(Event, await EVENT_ROW.row(connection, event=event_id))
    found = {}
    for name, kind in _RECORDS.items():
        rows = await _ROWS[name].rows(connection, event=event_id)
        found[name] = [read(kind, row) for row in rows]
    return event, found


async def lines_on(
    connection: asyncpg.Connection[Any], event_id: str
) -> AsyncIterator[dict[str, Any]]:
    """Yield what ``lines`` does, as a transaction sees it that has locked the event."""
    after = 0
    while page := await _LINES.rows(
        connection, event=event_id, after=after, limit=JOURNAL_PAGE_SIZE
    ):
        for row in page:
            yield dict(row)
        after = page[-1]["seq"]
