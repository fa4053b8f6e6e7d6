"""Reads outside the locked transaction: rooms, a user's own view, steps, positions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import orjson
from sqlalchemy import (
    BigInteger,
    Text,
    and_,
    bindparam,
    case,
    column,
    exists,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import insert

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import EVENT, Statement, any_of, many
from persistence.event import loading
from persistence.event.records import Ballot, Decided, Membership
from persistence.event.state import EventState
from persistence.event.windows import resolved_floor
from protocol.policy import Stance


class UserView(NamedTuple):
    """A user's own view of an event, as of position ``seq``."""

    event: str
    user: str
    epoch: str
    seq: int
    membership: Membership | None
    votes: dict[str, int]
    """Proposal → revision: active votes for current revisions of shown proposals."""
    stances: dict[str, Stance]
    """Proposal → what these votes say, if that is not ``agree``."""
    ballot: Ballot | None
    records: int
    """Approximate number of records that the room shows: what loading it costs."""


class StoredStep(NamedTuple):
    """A journal entry as it is stored, with its texts unchanged."""

    seq: int
    hash: bytes
    patches: str


class EventPosition(NamedTuple):
    """The position of an event."""

    event: str
    epoch: str
    seq: int


def _own() -> Statement:
    e, m, b, v, p = t.events, t.memberships, t.ballots, t.votes, t.proposals
    asked = (
        func.unnest(many("events", Text), many("users", Text))
        .table_valued(column("event_id", Text), column("user_id", Text), name="asked")
        .render_derived()
    )
    # Once per user and event, and not for every vote.
    window = (
        select(resolved_floor(e).label("floor")).correlate(e).offset(0).lateral("resolved_window")
    )
    votes = (
        select(
            func.json_object_agg(v.c.proposal_id, func.json_build_array(v.c.revision, v.c.stance))
        )
        .select_from(v.join(p, and_(p.c.event_id == v.c.event_id, p.c.id == v.c.proposal_id)))
        .where(
            v.c.event_id == asked.c.event_id,
            v.c.user_id == asked.c.user_id,
            v.c.active,
            v.c.revision == p.c.revision,
            or_(
                p.c.resolved_no.is_(None),
                p.c.resolved_no > window.c.floor,
            ),
        )
        .scalar_subquery()
        .correlate(asked, window)
    )
    comments = e.c.comments_made - e.c.comment_floor
    records = e.c.pending + e.c.resolutions - window.c.floor + comments + e.c.members
    names = [c for c in m.columns if c.name not in ("event_id", "user_id")]
    return Statement(
        "own_view",
        select(
            e.c.id.label("event"),
            asked.c.user_id.label("user"),
            e.c.epoch,
            e.c.seq,
            m.c.user_id.label("member"),
            *(c.label(f"member_{c.name}") for c in names),
            b.c.option_id,
            b.c.criterion_order,
            b.c.criteria_rev,
            b.c.revision,
            b.c.options,
            b.c.seq.label("ballot_seq"),
            # Not read for strangers, so that every event costs them the same.
            case((m.c.user_id.is_not(None), votes)).label("votes"),
            records.label("records"),
        ).select_from(
            asked.join(e, e.c.id == asked.c.event_id)
            .join(window, true())
            .outerjoin(m, and_(m.c.event_id == e.c.id, m.c.user_id == asked.c.user_id))
            .outerjoin(b, and_(b.c.event_id == e.c.id, b.c.user_id == asked.c.user_id))
        ),
    )


_OWN = _own()
_MEMBER_FIELDS = [c.name for c in t.memberships.columns if c.name not in ("event_id", "user_id")]
_STEPS = Statement(
    "steps",
    select(t.journal.c.seq, t.journal.c.hash, t.journal.c.patches)
    .where(
        t.journal.c.event_id == EVENT,
        t.journal.c.seq > bindparam("after", type_=BigInteger),
        t.journal.c.seq <= bindparam("to", type_=BigInteger),
        # In the same snapshot: under another epoch these positions are other steps.
        exists().where(t.events.c.id == EVENT, t.events.c.epoch == bindparam("epoch", type_=Text)),
    )
    .order_by(t.journal.c.seq),
)
_TOPS = Statement(
    "positions",
    select(t.events.c.id, t.events.c.epoch, t.events.c.seq).where(any_of(t.events.c.id, "ids")),
)
_DECIDED = Statement(
    "decided",
    select(
        t.journal.c.user_id,
        t.journal.c.command_id,
        t.journal.c.seq,
        t.journal.c.salt,
        t.journal.c.fingerprint,
        t.journal.c.answer,
        t.journal.c.hash,
    ).where(
        t.journal.c.event_id == EVENT,
        t.journal.c.user_id == bindparam("user", type_=Text),
        any_of(t.journal.c.command_id, "ids"),
    ),
)


def _put_users() -> Statement:
    source = (
        func.unnest(many("ids", Text), many("names", Text))
        .table_valued(column("id", Text), column("name", Text), name="seen")
        .render_derived()
    )
    statement = insert(t.users).from_select(["id", "name"], select(source.c.id, source.c.name))
    return Statement(
        "put_users",
        statement.on_conflict_do_update(
            index_elements=["id"],
            set_={"name": statement.excluded.name},
            where=t.users.c.name != statement.excluded.name,
        ),
    )


_PUT_USERS = _put_users()


async def own(database: Database, pairs: Sequence[tuple[str, str]]) -> list[UserView]:
    """Return the own view of each (event, user); events that do not exist are left out."""
    async with database.connection() as connection:
        rows = await _OWN.rows(
            connection,
            events=[event for event, _ in pairs],
            users=[user for _, user in pairs],
        )
    found = []
    for row in rows:
        membership = ballot = None
        if row["member"] is not None:
            fields = {name: row[f"member_{name}"] for name in _MEMBER_FIELDS}
            membership = Membership(user_id=row["member"], **fields)
        if row["option_id"] is not None:
            ballot = Ballot(
                user_id=row["user"],
                option_id=row["option_id"],
                criterion_order=orjson.loads(row["criterion_order"]),
                criteria_rev=row["criteria_rev"],
                revision=row["revision"],
                options=orjson.loads(row["options"]) if row["options"] else None,
                seq=row["ballot_seq"],
            )
        given = orjson.loads(row["votes"]) if row["votes"] else {}
        votes = {id: revision for id, (revision, _) in given.items()}
        stances = {id: stance for id, (_, stance) in given.items() if stance != "agree"}
        position = (row["event"], row["user"], row["epoch"], row["seq"])
        found.append(UserView(*position, membership, votes, stances, ballot, row["records"]))
    return found


async def room(database: Database, event_id: str) -> EventState:
    """Load all that a room shows, from one snapshot of the database."""
    async with database.snapshot() as connection:
        return await loading.load_room(connection, event_id)


async def steps(
    database: Database, event_id: str, *, epoch: str, after: int, to: int
) -> list[StoredStep]:
    """Return the steps ``after``+1 … ``to``, in order; none if ``epoch`` is not the event's."""
    async with database.connection() as connection:
        rows = await _STEPS.rows(connection, event=event_id, epoch=epoch, after=after, to=to)
    return [StoredStep(row["seq"], row["hash"], row["patches"]) for row in rows]


async def positions(database: Database, event_ids: Sequence[str]) -> list[EventPosition]:
    """Return the positions of these events."""
    async with database.connection() as connection:
        rows = await _TOPS.rows(connection, ids=event_ids)
    return [EventPosition(row["id"], row["epoch"], row["seq"]) for row in rows]


async def decided(
    database: Database, event_id: str, user: str, ids: Sequence[str]
) -> list[Decided]:
    """Return what the journal remembers of these commands of ``user``."""
    async with database.connection() as connection:
        rows = await _DECIDED.rows(connection, event=event_id, user=user, ids=list(ids))
    return [Decided(**row) for row in rows]


async def put_users(database: Database, names: dict[str, str]) -> None:
    """Create or rename users; id → name."""
    async with database.connection() as connection:
        # One order for all nodes, so that two that see the same users cannot deadlock.
        ids = sorted(names)
        await _PUT_USERS.run(connection, ids=ids, names=[names[id] for id in ids])


async def clock(database: Database) -> datetime:
    """Return the database's clock; proves that the database answers."""
    async with database.connection() as connection:
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    return now


__all__ = [
    "EventPosition",
    "StoredStep",
    "UserView",
    "clock",
    "decided",
    "own",
    "positions",
    "put_users",
    "room",
    "steps",
]
