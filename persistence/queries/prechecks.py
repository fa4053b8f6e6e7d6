"""Checks before a command takes its event's lock: whether the event exists, and the sender's
status.

They are answered from committed rows. Only the check under the lock decides whether a command may
be given.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from sqlalchemy import Text, bindparam, column, exists, false, func, or_, select

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import Statement, many
from protocol.state import MembershipStatus

#: (event, user).
Pair: TypeAlias = tuple[str, str]


class EventAccess(NamedTuple):
    """A user's status in an existing event; ``None`` for a stranger."""

    status: MembershipStatus | None


class Opened(NamedTuple):
    """The event that a code opens, or opened before it was retired."""

    event: str
    is_current: bool
    is_known: bool
    """Whether the event's journal remembers the command that has this code."""


def _event_access() -> Statement:
    e, m, gone = t.events, t.memberships, t.deleted_events
    asked = (
        func.unnest(many("events", Text), many("users", Text))
        .table_valued(column("event_id", Text), column("user_id", Text), name="asked")
        .render_derived()
    )
    # A subquery, not a join: for a join the planner could read all members of an event.
    status = (
        select(m.c.status)
        .where(m.c.event_id == asked.c.event_id, m.c.user_id == asked.c.user_id)
        .limit(1)
        .scalar_subquery()
        .correlate(asked)
    )
    return Statement(
        "standings",
        # A deleted event has no members. Its journal still answers repeats, under no lock.
        select(asked.c.event_id, asked.c.user_id, status.label("status")).where(
            or_(
                exists().where(e.c.id == asked.c.event_id),
                exists().where(gone.c.event_id == asked.c.event_id),
            )
        ),
    )


def _opened() -> Statement:
    e, code, j = t.events, t.entrance_codes, t.journal
    return Statement(
        "opened_by_code",
        select(
            code.c.event_id,
            # Null if the event was deleted: its codes stay, as retired ones.
            func.coalesce(e.c.entrance_code == code.c.code, false()).label("is_current"),
            exists()
            .where(
                j.c.event_id == code.c.event_id,
                j.c.user_id == bindparam("user", type_=Text),
                j.c.command_id == bindparam("id", type_=Text),
            )
            .label("is_known"),
        )
        .select_from(code.outerjoin(e, e.c.id == code.c.event_id))
        .where(code.c.code == bindparam("code", type_=Text)),
    )


_EVENT_ACCESS = _event_access()
_OPENED = _opened()


async def event_access(database: Database, pairs: Sequence[Pair]) -> dict[Pair, EventAccess]:
    """Return the status for each (event, user); events that do not exist are left out."""
    async with database.connection() as connection:
        rows = await _EVENT_ACCESS.rows(
            connection,
            events=[event for event, _ in pairs],
            users=[user for _, user in pairs],
        )
    return {(row["event_id"], row["user_id"]): EventAccess(row["status"]) for row in rows}


async def opened_by(database: Database, code: str, *, user: str, id: str) -> Opened | None:
    """Return the event that ``code`` names, for ``user``'s command ``id``, or ``None``.

    It is one statement in all cases, so that a retired code takes as long as an invented one.
    """
    async with database.connection() as connection:
        row = await _OPENED.row(connection, code=code, user=user, id=id)
    return Opened(row["event_id"], row["is_current"], row["is_known"]) if row else None
