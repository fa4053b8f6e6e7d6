"""Delete final errors that are older than the journal promises to remember them."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Integer, Interval, bindparam, delete, func, select, tuple_

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import Statement

#: Rows of one statement; the rest follows in the next. So no transaction is long.
MAX_PRUNED_ROWS = 1_000

_j = t.journal.c
_old = (
    select(_j.event_id, _j.user_id, _j.command_id)
    .where(
        _j.seq.is_(None),
        _j.at < func.statement_timestamp() - bindparam("age", type_=Interval),
    )
    .limit(bindparam("limit", type_=Integer))
    # Two nodes that prune at once skip each other's rows.
    .with_for_update(skip_locked=True)
    .cte("old")
)
_FORGET = Statement(
    "forget_refusals",
    delete(t.journal).where(
        tuple_(_j.event_id, _j.user_id, _j.command_id).in_(
            select(_old.c.event_id, _old.c.user_id, _old.c.command_id)
        )
    ),
)


async def forget_refusals(database: Database, *, older_than: timedelta) -> int:
    """Delete some final errors older than ``older_than``; return how many, ``MAX_PRUNED_ROWS`` at
    most.
    """
    async with database.connection() as connection:
        tag = await _FORGET.run(connection, age=older_than, limit=MAX_PRUNED_ROWS)
    return int(tag.split()[-1])
