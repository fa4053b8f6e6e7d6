"""Submitted ballots: who chose what in an event that names them, and a voter's own proof."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Integer, Text, and_, bindparam, or_, select

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import EVENT, Statement, record_columns
from persistence.event.loading import EVENT_ROW, read
from persistence.event.records import Ballot, Event

_USER: Any = bindparam("user", type_=Text)
_BEFORE: Any = bindparam("before", type_=Text)


class NamedBallot(NamedTuple):
    """A ballot and the name of its voter, if a membership still records it."""

    ballot: Ballot
    name: str | None


class Receipt(NamedTuple):
    """The journal entry of a user's ballot that stands, as far as it proves that it is there."""

    seq: int
    hash: bytes
    id: str
    salt: bytes
    payload: str


_BALLOTS = Statement(
    "list_ballots",
    select(*record_columns(t.ballots), t.memberships.c.name)
    .select_from(
        t.ballots.outerjoin(
            t.memberships,
            and_(
                t.memberships.c.event_id == t.ballots.c.event_id,
                t.memberships.c.user_id == t.ballots.c.user_id,
            ),
        )
    )
    .where(
        t.ballots.c.event_id == EVENT,
        or_(_BEFORE.is_(None), t.ballots.c.user_id < _BEFORE),
    )
    .order_by(t.ballots.c.user_id.desc())
    .limit(bindparam("limit", type_=Integer)),
)
_RECEIPT = Statement(
    "receipt",
    select(
        t.journal.c.seq,
        t.journal.c.hash,
        t.journal.c.command_id,
        t.journal.c.salt,
        t.journal.c.payload,
    )
    .select_from(
        t.ballots.join(
            t.journal,
            and_(
                t.journal.c.event_id == t.ballots.c.event_id,
                t.journal.c.seq == t.ballots.c.seq,
            ),
        )
    )
    .where(
        t.ballots.c.event_id == EVENT,
        t.ballots.c.user_id == _USER,
        t.journal.c.user_id == _USER,
    ),
)


async def named(
    database: Database, event: str, *, before: str | None, limit: int
) -> tuple[Event | None, list[NamedBallot], str | None]:
    """Return the event's row, its ballots with their voters, and the next page's ``before``.

    All of it is from one moment: the caller shows no ballot unless the row allows it.
    """
    async with database.snapshot() as connection:
        row = await EVENT_ROW.row(connection, event=event)
        rows = await _BALLOTS.rows(connection, event=event, before=before, limit=limit + 1)
    found = []
    for ballot in rows[:limit]:
        fields = dict(ballot)
        name = fields.pop("name")
        found.append(NamedBallot(read(Ballot, fields), name))
    following = rows[limit - 1]["user_id"] if len(rows) > limit else None
    return (read(Event, row) if row is not None else None), found, following


async def receipt(database: Database, event: str, user: str) -> Receipt | None:
    """Return what proves that ``user``'s ballot is in the journal, if one stands."""
    async with database.connection() as connection:
        row = await _RECEIPT.row(connection, event=event, user=user)
    return Receipt(*row) if row is not None else None
