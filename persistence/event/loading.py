"""Load rows into the state: a whole event, or the few rows that a command asked for."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, TypeVar

import asyncpg
import msgspec
import orjson
from sqlalchemy import Integer, Text, bindparam, select

from persistence.database import probes
from persistence.database import tables as t
from persistence.database.probes import columns_of
from persistence.database.statements import EVENT, Statement, any_of
from persistence.event.records import (
    Ballot,
    Comment,
    Event,
    Invitation,
    Item,
    ItemVersion,
    Membership,
    Option,
    Proposal,
    Vote,
)
from persistence.event.state import EventState, Need, NeedKind
from persistence.event.terms import decode_terms
from persistence.event.windows import resolved_floor
from protocol.policy import Policy

R = TypeVar("R", bound=msgspec.Struct)

#: Rows made into records in one iteration of the event loop; then the load yields, so that a large
#: event does not delay other sockets.
MAX_ROWS_TOGETHER = 64
#: Resolved proposals that are read together with a requested one. A command that closes a thousand
#: pushes hundreds out of the window, and would be decided again for each one that is missing.
MAX_RESOLVED_TOGETHER = 32
#: Requests to join that are read in addition to the requested ones. Each decided request brings the
#: next one into the window, and would be read alone.
MAX_REQUESTS_TOGETHER = 200
#: Votes looked up one by one. Beyond it the votes are counted first, and if reading all of them is
#: less work, all are read.
MAX_PROBES = 100_000

_policy = msgspec.json.Decoder(Policy)


def _of_event(table: Any, *conditions: Any) -> Statement:
    return Statement(
        f"load_{table.name}", columns_of(table).where(table.c.event_id == EVENT, *conditions)
    )


EVENT_ROW = Statement(
    "load_event",
    select(
        *(c for c in t.events.columns if c.name != "resolved_floor"),
        resolved_floor(t.events).label("resolved_floor"),
    ).where(t.events.c.id == EVENT),
)
_LIVE_OPTIONS = _of_event(t.options, ~t.options.c.deleted)
_LIVE_ITEMS = _of_event(t.items, ~t.items.c.deleted)
_PENDING = Statement(
    "load_pending",
    columns_of(t.proposals)
    .where(t.proposals.c.event_id == EVENT, t.proposals.c.status == "pending")
    .order_by(t.proposals.c.number),
)
_RESOLVED_SINCE = _of_event(
    t.proposals, t.proposals.c.resolved_no > bindparam("floor", type_=Integer)
)
_WITHDRAWN_BY = _of_event(
    t.proposals,
    t.proposals.c.resolved_no > bindparam("floor", type_=Integer),
    t.proposals.c.resolution == "withdrawn",
    t.proposals.c.author == bindparam("author", type_=Text),
)
_COMMENTS_SHOWN = _of_event(
    t.comments, ~t.comments.c.deleted, t.comments.c.number > bindparam("floor", type_=Integer)
)
_ADMINS = _of_event(
    t.memberships, t.memberships.c.status == "accepted", t.memberships.c.role == "admin"
)
_ORGANISERS = _of_event(
    t.memberships, t.memberships.c.status == "accepted", t.memberships.c.role == "organiser"
)
_MEMBERS_SHOWN = _of_event(
    t.memberships,
    t.memberships.c.status == "accepted",
    t.memberships.c.joined_no <= bindparam("ceiling", type_=Integer),
)
_WAITING = _of_event(t.memberships, t.memberships.c.status == "pending")
_REQUESTS_SHOWN = _of_event(
    t.memberships,
    t.memberships.c.status == "pending",
    t.memberships.c.request_no <= bindparam("ceiling", type_=Integer),
)
_REQUESTS = Statement(
    "load_requests",
    columns_of(t.memberships)
    .where(
        t.memberships.c.event_id == EVENT,
        t.memberships.c.status == "pending",
        t.memberships.c.request_no > bindparam("after", type_=Integer),
    )
    .order_by(t.memberships.c.request_no)
    .limit(bindparam("limit", type_=Integer)),
)
_MEMBERSHIPS = _of_event(t.memberships, any_of(t.memberships.c.user_id, "keys"))
_OPTIONS = _of_event(t.options, any_of(t.options.c.id, "keys"))
_ITEMS = _of_event(t.items, any_of(t.items.c.id, "keys"))
_PROPOSALS = _of_event(t.proposals, any_of(t.proposals.c.id, "keys"))
_BALLOTS = _of_event(t.ballots, any_of(t.ballots.c.user_id, "keys"))
_ALL_BALLOTS = _of_event(t.ballots)
_COMMENTS = _of_event(t.comments, any_of(t.comments.c.id, "keys"))
_INVITATIONS = _of_event(t.invitations, any_of(t.invitations.c.id, "keys"))
_INVITATIONS_SHOWN = _of_event(
    t.invitations, t.invitations.c.number > bindparam("floor", type_=Integer)
)
_CODES = Statement(
    "load_codes", select(t.entrance_codes).where(any_of(t.entrance_codes.c.code, "keys"))
)
_VERSION = _of_event(
    t.item_history,
    t.item_history.c.item_id == bindparam("item", type_=Text),
    t.item_history.c.part == bindparam("part", type_=Text),
    t.item_history.c.version == bindparam("version", type_=Integer),
)


_VOTES = probes.votes()
_VOTES_OF_FEW = probes.votes_of_few()
_VOTES_OF_MANY = probes.votes_of_many()
_RESOLVED = probes.resolved()

#: Kind → statement, record type, table of the state; for one row by its key.
_BY_KEY: dict[str, tuple[Statement, Any, str]] = {
    "membership": (_MEMBERSHIPS, Membership, "memberships"),
    "option": (_OPTIONS, Option, "options"),
    "item": (_ITEMS, Item, "items"),
    "proposal": (_PROPOSALS, Proposal, "proposals"),
    "ballot": (_BALLOTS, Ballot, "ballots"),
    "comment": (_COMMENTS, Comment, "comments"),
    "invitation": (_INVITATIONS, Invitation, "invitations"),
}
_KEY_FIELD = {"memberships": "user_id", "ballots": "user_id"}


def read(kind: type[R], row: Any) -> R:
    """Make a record from a row."""
    fields = dict(row)
    for name in ("decision", "criterion_order", "options", "results"):
        if isinstance(fields.get(name), str):
            fields[name] = orjson.loads(fields[name])
    if isinstance(fields.get("policy"), str):
        fields["policy"] = _policy.decode(fields["policy"])
    if "terms" in fields:
        fields["terms"] = decode_terms(fields["terms"])
    return kind(**fields)


async def load(connection: asyncpg.Connection[Any], event_id: str) -> EventState:
    """Load what a command needs of an event: its row, live items, pending proposals.

    Without a row, return the state of an event that does not exist.
    """
    row = await EVENT_ROW.row(connection, event=event_id)
    if row is None:
        return EventState(event_id)
    state = EventState(event_id, read(Event, row))
    options = await _LIVE_OPTIONS.rows(connection, event=event_id)
    await add_rows(state, "options", Option, options)
    await add_rows(state, "items", Item, await _LIVE_ITEMS.rows(connection, event=event_id))
    pending = await _PENDING.rows(connection, event=event_id)
    await add_rows(state, "proposals", Proposal, pending)
    state.pending.update(dict.fromkeys(proposal["id"] for proposal in pending))
    return state


async def add_rows(
    state: EventState, table: str, kind: type[msgspec.Struct], rows: Iterable[Any], key: str = "id"
) -> None:
    """Read ``rows`` into ``state``, and yield to other work as it goes."""
    for number, row in enumerate(rows, 1):
        state.add_loaded(table, row[key], read(kind, row))
        if number % MAX_ROWS_TOGETHER == 0:
            await pause()


async def pause() -> None:
    """Let other work of the event loop go first."""
    await asyncio.sleep(0)


async def load_room(connection: asyncpg.Connection[Any], event_id: str) -> EventState:
    """Load all that a room shows. The caller gives one snapshot for all of it (repeatable read)."""
    state = await load(connection, event_id)
    if state.event_record is None:
        return state
    event = state.event
    floor = event.resolved_floor
    resolved = await _RESOLVED_SINCE.rows(connection, event=event_id, floor=floor)
    await add_rows(state, "proposals", Proposal, resolved)
    ceiling = event.joins if event.member_ceiling is None else event.member_ceiling
    members = await _MEMBERS_SHOWN.rows(connection, event=event_id, ceiling=ceiling)
    leading = await _ADMINS.rows(connection, event=event_id)
    if event.organisers:
        leading += await _ORGANISERS.rows(connection, event=event_id)
    for rows in (members, leading):
        await add_rows(state, "memberships", Membership, rows, "user_id")
    needs = {Need("comments_shown")}
    if event.invitations:
        needs.add(Need("invitations_shown"))
    if event.request_ceiling is None:
        needs.add(Need("waiting"))
    else:
        ceiling = event.request_ceiling
        rows = await _REQUESTS_SHOWN.rows(connection, event=event_id, ceiling=ceiling)
        await add_rows(state, "memberships", Membership, rows, "user_id")
    await fetch(connection, state, needs)
    return state


async def fetch(
    connection: asyncpg.Connection[Any], state: EventState, needs: Iterable[Need]
) -> None:
    """Load what ``needs`` name into ``state``, one query per kind; a missing row as ``None``."""
    grouped: dict[NeedKind, list[Any]] = defaultdict(list)
    for kind, key in needs:
        grouped[kind].append(key)
    for kind, keys in grouped.items():
        if kind in _BY_KEY:
            await _fetch_by_key(connection, state, kind, [key[0] for key in keys])
        elif kind == "vote":
            await _fetch_votes(connection, state, keys)
        elif kind == "votes_of":
            await _fetch_votes_of(connection, state, [user for (user,) in keys])
        elif kind == "resolved":
            await _fetch_resolved(connection, state, {number for (number,) in keys})
        elif kind == "requests":
            await _fetch_requests(connection, state, max(more for (more,) in keys))
        else:
            for key in keys:
                await _fetch_set(connection, state, kind, key)
                state.complete.add(Need(kind, key))


async def _fetch_by_key(
    connection: asyncpg.Connection[Any], state: EventState, kind: str, keys: list[str]
) -> None:
    statement, record, table = _BY_KEY[kind]
    rows: dict[str, Any] = getattr(state, table)
    for key in keys:
        if key not in rows:
            state.add_loaded(table, key, None)
    field = _KEY_FIELD.get(table, "id")
    for row in await statement.rows(connection, event=state.id, keys=keys):
        state.add_loaded(table, row[field], read(record, row))


async def _fetch_votes(
    connection: asyncpg.Connection[Any], state: EventState, keys: list[tuple[str, str]]
) -> None:
    for key in keys:
        state.votes.setdefault(key, None)
    rows = await _VOTES.rows(
        connection,
        event=state.id,
        proposals=[proposal for proposal, _ in keys],
        users=[user for _, user in keys],
    )
    _hold_votes(state, rows)


async def _fetch_votes_of(
    connection: asyncpg.Connection[Any], state: EventState, users: list[str]
) -> None:
    cast = sum(proposal.voters for proposal in state.pending_proposals())
    few = len(users) * len(state.pending) <= max(cast, MAX_PROBES)
    statement = _VOTES_OF_FEW if few else _VOTES_OF_MANY
    rows = await statement.rows(connection, event=state.id, users=users)
    _hold_votes(state, [r for r in rows if (r["proposal_id"], r["user_id"]) not in state.votes])
    state.complete.update(Need("votes_of", (user,)) for user in users)


async def _fetch_resolved(
    connection: asyncpg.Connection[Any], state: EventState, asked: set[int]
) -> None:
    """Load those resolved at the numbers ``asked``, and some after them: they leave the window
    next.
    """
    first = min(asked)
    numbers = sorted(asked.union(range(first, first + MAX_RESOLVED_TOGETHER)))
    wanted = [n for n in numbers if n not in state.numbered and n <= state.event.resolutions]
    for row in await _RESOLVED.rows(connection, event=state.id, keys=wanted):
        proposal = read(Proposal, row)
        if proposal.id not in state.proposals:
            state.add_loaded("proposals", proposal.id, proposal)
        assert proposal.resolved_no is not None
        state.numbered[proposal.resolved_no] = proposal.id


async def _fetch_requests(
    connection: asyncpg.Connection[Any], state: EventState, more: int
) -> None:
    """Load ``more`` requests after those that the state has read, oldest first, and some further.

    Requests that it has already are left alone: commands of this batch may have changed them.
    """
    limit = more + MAX_REQUESTS_TOGETHER
    rows = await _REQUESTS.rows(connection, event=state.id, after=state.requests_read, limit=limit)
    for row in rows:
        user = row["user_id"]
        if user not in state.memberships:
            state.add_loaded("memberships", user, read(Membership, row))
        membership = state.memberships[user]
        if membership is not None and membership.request_no == row["request_no"]:
            state.requests[user] = None
        state.requests_read = row["request_no"]
    if len(rows) < limit:
        state.requests_read = state.event.requests_made or 0
        state.know_all_requests()


def _hold_votes(state: EventState, rows: list[Any]) -> None:
    for row in rows:
        state.votes[row["proposal_id"], row["user_id"]] = read(Vote, row)


def _hold_new(state: EventState, table: str, key: str, kind: Any, row: Any) -> None:
    """Add a row unless the state has it already, which is then newer."""
    if key not in getattr(state, table):
        state.add_loaded(table, key, read(kind, row))


async def _fetch_set(
    connection: asyncpg.Connection[Any], state: EventState, kind: str, key: tuple[Any, ...]
) -> None:
    match kind:
        case "waiting":
            for row in await _WAITING.rows(connection, event=state.id):
                _hold_new(state, "memberships", row["user_id"], Membership, row)
        case "ballots":
            for row in await _ALL_BALLOTS.rows(connection, event=state.id):
                _hold_new(state, "ballots", row["user_id"], Ballot, row)
        case "comments_shown":
            floor = state.event.comment_floor
            for row in await _COMMENTS_SHOWN.rows(connection, event=state.id, floor=floor):
                _hold_new(state, "comments", row["id"], Comment, row)
        case "invitations_shown":
            floor = state.event.invitation_floor
            for row in await _INVITATIONS_SHOWN.rows(connection, event=state.id, floor=floor):
                _hold_new(state, "invitations", row["id"], Invitation, row)
        case "withdrawn_by":
            floor = state.event.resolved_floor
            rows = await _WITHDRAWN_BY.rows(connection, event=state.id, floor=floor, author=key[0])
            for row in rows:
                _hold_new(state, "proposals", row["id"], Proposal, row)
        case "code":
            state.entrance_codes.setdefault(key[0], None)
            for row in await _CODES.rows(connection, keys=list(key)):
                state.entrance_codes[row["code"]] = row["event_id"]
        case "version":
            item, part, version = key
            row = await _VERSION.row(
                connection, event=state.id, item=item, part=part, version=version
            )
            state.add_loaded("item_history", key, read(ItemVersion, row) if row else None)
        case _:
            raise AssertionError(f"nothing fetches {kind}")
