"""Members, requests to join and invitations, page by page, all or those that a search finds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, Text, bindparam, func, or_, select

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import EVENT, Statement, record_columns
from persistence.event.loading import read
from persistence.event.records import Invitation, Membership
from persistence.queries.lists import MAX_ORDINAL

_LIMIT: Any = bindparam("limit", type_=Integer)
_BEFORE: Any = bindparam("before", type_=Integer)


def _page(name: str, table: Any, number: Any, *conditions: Any) -> Statement:
    """Rows of an event before a number, the greatest number first."""
    return Statement(
        name,
        select(*record_columns(table))
        .where(
            table.c.event_id == EVENT,
            number < func.coalesce(_BEFORE, MAX_ORDINAL),
            *conditions,
        )
        .order_by(number.desc())
        .limit(_LIMIT),
    )


def _found(*columns: Any) -> Any:
    """Whether one of ``columns`` has the words of the search, in any case."""
    words = func.lower(bindparam("search", type_=Text))
    return or_(*(func.strpos(func.lower(column), words) > 0 for column in columns))


_m, _i = t.memberships.c, t.invitations.c
_NAMES = _found(_m.name, _m.user_id)
_IN, _ASKING = _m.status == "accepted", _m.status == "pending"
_MEMBERS = _page("list_members", t.memberships, _m.joined_no, _IN)
_MEMBERS_FOUND = _page("search_members", t.memberships, _m.joined_no, _IN, _NAMES)
_REQUESTS = _page("list_requests", t.memberships, _m.request_no, _ASKING)
_REQUESTS_FOUND = _page("search_requests", t.memberships, _m.request_no, _ASKING, _NAMES)
_INVITATIONS = _page("list_invitations", t.invitations, _i.number)
_INVITATIONS_FOUND = _page("search_invitations", t.invitations, _i.number, _found(_i.name, _i.ref))


async def members(
    database: Database, event: str, *, before: int | None, limit: int, search: str | None = None
) -> tuple[list[Membership], int | None]:
    """Return members who joined before ``before``, newest first."""
    rows = await _rows(database, _MEMBERS, _MEMBERS_FOUND, event, before, limit, search)
    found = [read(Membership, row) for row in rows]
    return found[:limit], found[limit - 1].joined_no if len(found) > limit else None


async def requests(
    database: Database, event: str, *, before: int | None, limit: int, search: str | None = None
) -> tuple[list[Membership], int | None]:
    """Return requests to join from before ``before``, newest first."""
    rows = await _rows(database, _REQUESTS, _REQUESTS_FOUND, event, before, limit, search)
    found = [read(Membership, row) for row in rows]
    return found[:limit], found[limit - 1].request_no if len(found) > limit else None


async def invitations(
    database: Database, event: str, *, before: int | None, limit: int, search: str | None = None
) -> tuple[list[Invitation], int | None]:
    """Return invitations made before ``before``, newest first."""
    rows = await _rows(database, _INVITATIONS, _INVITATIONS_FOUND, event, before, limit, search)
    found = [read(Invitation, row) for row in rows]
    return found[:limit], found[limit - 1].number if len(found) > limit else None


async def _rows(
    database: Database,
    everyone: Statement,
    searching: Statement,
    event: str,
    before: int | None,
    limit: int,
    search: str | None,
) -> list[Any]:
    values: dict[str, Any] = {"event": event, "before": before, "limit": limit + 1}
    async with database.connection() as connection:
        if search is None:
            return await everyone.rows(connection, **values)
        return await searching.rows(connection, **values, search=search)
