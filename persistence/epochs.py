"""New epochs: what tells clients that the journal they know is no longer this one."""

from __future__ import annotations

import secrets

from sqlalchemy import Text, bindparam, func, or_, update

from persistence import tables as t
from persistence.database import Database
from persistence.statements import Statement

_ONE = bindparam("one", type_=Text)
_RENEW = Statement(
    update(t.events)
    .where(or_(_ONE.is_(None), t.events.c.id == _ONE))
    # Different for each event, and as random as the seed.
    .values(epoch=func.left(func.md5(bindparam("seed", type_=Text) + t.events.c.id), 16))
)


async def renew(database: Database, event_id: str | None) -> int:
    """Give one event, or all, a new epoch, after a restore from a backup; how many there were.

    Running nodes notice within their sweep; every subscriber then gets a snapshot, ``epoch``.
    """
    async with database.connection() as connection:
        tag = await _RENEW.run(connection, one=event_id, seed=secrets.token_hex(16))
    return int(tag.split()[-1])
