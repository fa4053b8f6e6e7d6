"""Users who voted on a proposal or submitted a ballot, page by page.

A page is in the order of the users' ids, so that it shows nothing about the order of the votes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Integer, Text, and_, bindparam, null, or_, select

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import EVENT, Statement, record_columns
from persistence.event.loading import read
from persistence.event.records import Proposal

_PROPOSAL: Any = bindparam("proposal", type_=Text)
_BEFORE: Any = bindparam("before", type_=Text)
_LIMIT: Any = bindparam("limit", type_=Integer)

_FIND = Statement(
    "proposal",
    select(*record_columns(t.proposals)).where(
        t.proposals.c.event_id == EVENT, t.proposals.c.id == _PROPOSAL
    ),
)


class Page(NamedTuple):
    """A part of a list, and where the next one begins, if there is one."""

    found: list[Participant]
    following: str | None


class Participant(NamedTuple):
    """A user who took part."""

    user: str
    name: str | None
    """``None`` if no membership records it any more."""
    stance: str | None
    """The stance of the vote; ``None`` for a ballot."""


def _page(name: str, table: Any, stance: Any, *conditions: Any) -> Statement:
    m = t.memberships
    joined = table.outerjoin(
        m, and_(m.c.event_id == table.c.event_id, m.c.user_id == table.c.user_id)
    )
    return Statement(
        name,
        select(table.c.user_id, m.c.name, stance)
        .select_from(joined)
        .where(
            table.c.event_id == EVENT,
            or_(_BEFORE.is_(None), table.c.user_id < _BEFORE),
            *conditions,
        )
        .order_by(table.c.user_id.desc())
        .limit(_LIMIT),
    )


_v, _m = t.votes.c, t.memberships.c
_ON_REVISION = (
    _v.proposal_id == _PROPOSAL,
    _v.revision == bindparam("revision", type_=Integer),
    _v.stance != "absent",
)
_VOTES = _page("list_votes", t.votes, _v.stance, *_ON_REVISION, _v.active)
#: Voters who retracted took part. Voters who left a pending proposal's event did not.
_VOTERS = _page(
    "list_voters",
    t.votes,
    _v.stance,
    *_ON_REVISION,
    or_(_v.active, and_(_m.status == "accepted", _m.role != "organiser")),
)
_BALLOTS = _page("list_turnout", t.ballots, null().label("stance"))


async def proposal(database: Database, event: str, id: str) -> Proposal | None:
    """Return a proposal of the event."""
    async with database.connection() as connection:
        row = await _FIND.row(connection, event=event, proposal=id)
    return read(Proposal, row) if row else None


async def votes(
    database: Database, event: str, proposal: Proposal, *, before: str | None, limit: int
) -> Page:
    """Return the active votes on the current revision of ``proposal``."""
    return await _read(
        database,
        _VOTES,
        limit,
        event=event,
        proposal=proposal.id,
        revision=proposal.revision,
        before=before,
    )


async def voters(
    database: Database, event: str, proposal: Proposal, *, before: str | None, limit: int
) -> Page:
    """Return those who took part in the vote on the current revision of ``proposal``."""
    return await _read(
        database,
        _VOTERS,
        limit,
        event=event,
        proposal=proposal.id,
        revision=proposal.revision,
        before=before,
    )


async def ballots(database: Database, event: str, *, before: str | None, limit: int) -> Page:
    """Return those of whom a ballot stands."""
    return await _read(database, _BALLOTS, limit, event=event, before=before)


async def _read(database: Database, statement: Statement, limit: int, **values: Any) -> Page:
    async with database.connection() as connection:
        rows = await statement.rows(connection, limit=limit + 1, **values)
    found = [Participant(*row) for row in rows[:limit]]
    return Page(found, found[-1].user if len(rows) > limit else None)
