"""New epochs, which make clients give up the journal positions they know."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence

from sqlalchemy import Integer, Text, bindparam, func, select, update

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import Statement, any_of

#: Events of one statement; further ones follow in the next. So no statement reaches its timeout,
#: however many events there are.
MAX_EPOCH_ROWS = 5_000

_RENEW = Statement(
    "renew_epochs",
    update(t.events)
    .where(any_of(t.events.c.id, "ids"))
    # Different for each event, and as random as the seed.
    .values(epoch=func.left(func.md5(bindparam("seed", type_=Text) + t.events.c.id), 16)),
)
_BEHIND = Statement(
    "events_behind",
    select(t.events.c.id)
    .where(t.events.c.id > bindparam("after", type_=Text))
    .order_by(t.events.c.id)
    .limit(bindparam("limit", type_=Integer)),
)


async def renew(database: Database, event_id: str | None) -> int:
    """Give one event, or all, a new epoch, after a restore from a backup; return how many.

    Running nodes notice it in their sweep; every subscriber then gets a snapshot with reason
    ``epoch``. If it fails half-way, run it again.
    """
    seed = secrets.token_hex(16)
    count = 0
    async for ids in pages(database, event_id):
        async with database.connection() as connection:
            tag = await _RENEW.run(connection, ids=ids, seed=seed)
        count += int(tag.split()[-1])
    return count


async def pages(database: Database, event_id: str | None) -> AsyncIterator[Sequence[str]]:
    """Yield the ids of the events; one that is created meanwhile needs no new epoch."""
    if event_id is not None:
        yield [event_id]
        return
    after = ""
    while True:
        async with database.connection() as connection:
            rows = await _BEHIND.rows(connection, after=after, limit=MAX_EPOCH_ROWS)
        if not rows:
            return
        yield [row["id"] for row in rows]
        after = rows[-1]["id"]
