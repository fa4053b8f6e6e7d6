"""Lists that are read page by page, and the overview of an event before joining it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import asyncpg
from sqlalchemy import DateTime, Integer, Text, bindparam, func, or_, select, tuple_

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import EVENT, Statement, record_columns
from persistence.event.loading import read
from persistence.event.records import Comment, Proposal
from persistence.event.windows import resolved_floor
from protocol.errors import bad_request

_LIMIT: Any = bindparam("limit", type_=Integer)
_BEFORE: Any = bindparam("before", type_=Integer)
#: An ordinal above all others, for a list without a given start: the largest that a column takes.
MAX_ORDINAL = 2**31 - 1
_USER: Any = bindparam("user", type_=Text)


def _events_of() -> Statement:
    e, m = t.events, t.memberships
    at: Any = bindparam("at", type_=DateTime(timezone=True))
    after: Any = bindparam("after", type_=Text)
    return Statement(
        "list_events",
        select(
            e.c.id,
            e.c.subject,
            e.c.status,
            m.c.status.label("membership"),
            m.c.role,
            e.c.seq,
            e.c.created_at,
        )
        .select_from(m.join(e, e.c.id == m.c.event_id))
        .where(
            m.c.user_id == _USER,
            or_(m.c.status == "accepted", m.c.status == "pending"),
            or_(at.is_(None), tuple_(e.c.created_at, e.c.id) < tuple_(at, after)),
        )
        .order_by(e.c.created_at.desc(), e.c.id.desc())
        .limit(_LIMIT),
    )


_EVENTS_OF = _events_of()
_OVERVIEW = Statement(
    "overview",
    select(t.events)
    .where(t.events.c.entrance_code == bindparam("code", type_=Text))
    .where(
        t.events.c.id
        == select(t.entrance_codes.c.event_id)
        .where(t.entrance_codes.c.code == bindparam("code", type_=Text))
        .scalar_subquery()
    ),
)
_OPTIONS = Statement(
    "list_options",
    select(t.options.c.id, t.options.c.content, t.options.c.position)
    .where(t.options.c.event_id == EVENT, ~t.options.c.deleted)
    .order_by(t.options.c.position),
)


def _names_of(role: str) -> Statement:
    return Statement(
        f"{role}_names",
        select(t.memberships.c.name)
        .where(
            t.memberships.c.event_id == EVENT,
            t.memberships.c.status == "accepted",
            t.memberships.c.role == role,
        )
        .order_by(t.memberships.c.joined_no),
    )


_ADMIN_NAMES = _names_of("admin")
_ORGANISER_NAMES = _names_of("organiser")
_OWN_MEMBERSHIP = Statement(
    "own_membership",
    select(t.memberships.c.status, t.memberships.c.role).where(
        t.memberships.c.event_id == EVENT, t.memberships.c.user_id == _USER
    ),
)
_COMMENTS = Statement(
    "list_comments",
    select(*record_columns(t.comments))
    .select_from(t.comments.join(t.events, t.events.c.id == t.comments.c.event_id))
    .where(
        t.comments.c.event_id == EVENT,
        ~t.comments.c.deleted,
        t.comments.c.number < func.coalesce(_BEFORE, t.events.c.comment_floor + 1),
    )
    .order_by(t.comments.c.number.desc())
    .limit(_LIMIT),
)
_PROPOSALS = Statement(
    "list_proposals",
    select(*record_columns(t.proposals))
    .select_from(t.proposals.join(t.events, t.events.c.id == t.proposals.c.event_id))
    .where(
        t.proposals.c.event_id == EVENT,
        t.proposals.c.resolved_no < func.coalesce(_BEFORE, resolved_floor(t.events) + 1),
    )
    .order_by(t.proposals.c.resolved_no.desc())
    .limit(_LIMIT),
)


async def events_of(
    database: Database, user: str, *, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Return ``user``'s events, newest first, and the cursor of the next page, or ``None``.

    Each is a dict: ``id``, ``subject``, ``status``, ``membership``, ``seq``, and the ``role`` of an
    accepted member. Raises ``bad_request`` if ``after`` is no cursor.
    """
    at, id = _cursor(after)
    async with database.connection() as connection:
        rows = await _EVENTS_OF.rows(connection, user=user, at=at, after=id, limit=limit + 1)
    found = []
    for row in rows[:limit]:
        event = {
            name: row[name] for name in ("id", "subject", "status", "membership", "role", "seq")
        }
        if row["membership"] != "accepted":
            del event["role"]
        found.append(event)
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return found, _cursor_of(last["created_at"], last["id"]) if last else None


def _cursor_of(at: datetime, id: str) -> str:
    """Without a ``+``, which means a space in a query that was not escaped."""
    return f"{at.astimezone(UTC).isoformat().removesuffix('+00:00')}Z~{id}"


def _cursor(after: str | None) -> tuple[datetime | None, str | None]:
    if after is None:
        return None, None
    at, _, id = after.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not id:
            raise ValueError
        # Near the first and the last representable day the conversion to UTC fails.
        return moment.astimezone(UTC), id
    except (ValueError, OverflowError):
        raise bad_request("after", "this is no page's `next`") from None


async def overview(database: Database, code: str, user: str) -> dict[str, Any] | None:
    """Return the overview shown before joining by ``code``, or ``None`` if it opens no event."""
    async with database.snapshot() as connection:
        event = await _OVERVIEW.row(connection, code=code)
        if event is None:
            return None
        return await _overview_of(connection, event, user)


async def _overview_of(
    connection: asyncpg.Connection[Any], event: Any, user: str
) -> dict[str, Any]:
    id = event["id"]
    own = await _OWN_MEMBERSHIP.row(connection, event=id, user=user)
    leading = await _ADMIN_NAMES.rows(connection, event=id)
    if event["organisers"]:
        leading += await _ORGANISER_NAMES.rows(connection, event=id)
    found = {
        "event": id,
        "subject": event["subject"],
        "status": event["status"],
        "options": [dict(row) for row in await _OPTIONS.rows(connection, event=id)],
        "admins": [row["name"] for row in leading],
        "members": event["members"],
        "max_members": event["max_members"],
    }
    if own is not None:
        membership = {"status": own["status"]}
        if own["status"] == "accepted":
            membership["role"] = own["role"]
        found["membership"] = membership
    return found


async def comments(
    database: Database, event: str, *, before: int | None, limit: int
) -> tuple[list[Comment], int | None]:
    """Return comments older than ``before`` (default: than the room shows), newest first.

    The second value is the next page's ``before``, or ``None``.
    """
    async with database.connection() as connection:
        rows = await _COMMENTS.rows(connection, event=event, before=before, limit=limit + 1)
    found = [read(Comment, row) for row in rows]
    return found[:limit], found[limit - 1].number if len(found) > limit else None


async def proposals(
    database: Database, event: str, *, before: int | None, limit: int
) -> tuple[list[Proposal], int | None]:
    """Return resolved proposals before ``before`` (default: before those the room shows), newest
    first.

    The second value is the next page's ``before``, or ``None``.
    """
    async with database.connection() as connection:
        rows = await _PROPOSALS.rows(connection, event=event, before=before, limit=limit + 1)
    found = [read(Proposal, row) for row in rows]
    return found[:limit], found[limit - 1].resolved_no if len(found) > limit else None
