"""The ways in without an account: an event's code for guests, and invitations."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
from sqlalchemy import Text, bindparam, select

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import EVENT, Statement, record_columns
from persistence.event.loading import read
from persistence.event.records import Invitation
from protocol.policy import Policy

_policy = msgspec.json.Decoder(Policy)
_OPENED = Statement(
    "code_for_guests",
    select(t.events.c.id, t.events.c.policy)
    .select_from(t.events.join(t.entrance_codes, t.entrance_codes.c.event_id == t.events.c.id))
    .where(
        t.entrance_codes.c.code == bindparam("code", type_=Text),
        t.events.c.entrance_code == t.entrance_codes.c.code,
    ),
)
_INVITATION = Statement(
    "invitation",
    select(*record_columns(t.invitations)).where(
        t.invitations.c.event_id == EVENT, t.invitations.c.id == bindparam("id", type_=Text)
    ),
)


class Opened(NamedTuple):
    """The event that a code opens, and whether it takes guests."""

    event: str
    takes_guests: bool


async def opened_by(database: Database, code: str) -> Opened | None:
    """Return the event that ``code`` opens now."""
    async with database.connection() as connection:
        row = await _OPENED.row(connection, code=code)
    return Opened(row["id"], bool(_policy.decode(row["policy"]).guests)) if row else None


async def invitation(database: Database, event: str, id: str) -> Invitation | None:
    """Return an invitation, in any status."""
    async with database.connection() as connection:
        row = await _INVITATION.row(connection, event=event, id=id)
    return read(Invitation, row) if row else None
