"""Load several events at once, with one statement for each kind of row.

A convoy whose events another node has moved would otherwise read them one after the other, while it
holds all of their locks. So would the first convoys after a start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import select

from persistence.database import probes
from persistence.database import tables as t
from persistence.database.statements import Statement, any_of
from persistence.event.loading import MAX_ROWS_TOGETHER, pause, read
from persistence.event.records import Event, Item, Membership, Option, Proposal, Vote
from persistence.event.state import EventState, Need
from persistence.event.windows import resolved_floor

_ROWS = Statement(
    "load_events",
    select(
        *(c for c in t.events.columns if c.name != "resolved_floor"),
        resolved_floor(t.events).label("resolved_floor"),
    ).where(any_of(t.events.c.id, "events")),
)


def _of_events(name: str, table: Any, condition: Any) -> Statement:
    return Statement(name, select(table).where(any_of(table.c.event_id, "events"), condition))


_OPTIONS = _of_events("load_options_of_events", t.options, ~t.options.c.deleted)
_ITEMS = _of_events("load_items_of_events", t.items, ~t.items.c.deleted)
_PENDING = Statement(
    "load_pending_of_events",
    select(t.proposals)
    .where(any_of(t.proposals.c.event_id, "events"), t.proposals.c.status == "pending")
    .order_by(t.proposals.c.event_id, t.proposals.c.number),
)
_MEMBERSHIPS = probes.memberships_of_events()
_VOTES = probes.votes_of_events()


async def load_together(
    connection: asyncpg.Connection[Any], event_ids: Sequence[str]
) -> dict[str, EventState]:
    """Load what commands need of each event that exists, as ``loading.load`` does for one."""
    states = {}
    for row in await _ROWS.rows(connection, events=event_ids):
        states[row["id"]] = EventState(row["id"], read(Event, row))
    wanted = list(states)
    tables: tuple[tuple[str, type[msgspec.Struct], Statement], ...] = (
        ("options", Option, _OPTIONS),
        ("items", Item, _ITEMS),
        ("proposals", Proposal, _PENDING),
    )
    for table, kind, statement in tables:
        rows = await statement.rows(connection, events=wanted)
        for number, (state, fields) in enumerate(_by_state(states, rows), 1):
            state.add_loaded(table, fields["id"], read(kind, fields))
            if table == "proposals":
                state.pending[fields["id"]] = None
            if number % MAX_ROWS_TOGETHER == 0:
                await pause()
    return states


async def fetch_together(
    connection: asyncpg.Connection[Any], wanted: Iterable[tuple[EventState, Iterable[Need]]]
) -> None:
    """Load the memberships and votes that are named into the states; a missing row as ``None``.

    Other needs are left to ``loading.fetch``.
    """
    states: dict[str, EventState] = {}
    members: list[tuple[str, str]] = []
    votes: list[tuple[str, str, str]] = []
    for state, needs in wanted:
        states[state.id] = state
        for kind, key in needs:
            if kind == "membership":
                members.append((state.id, *key))
                state.add_loaded("memberships", key[0], None)
            elif kind == "vote":
                votes.append((state.id, *key))
                state.votes[key] = None
    if members:
        events, users = zip(*members, strict=True)
        rows = await _MEMBERSHIPS.rows(connection, events=events, users=users)
        for state, fields in _by_state(states, rows):
            state.add_loaded("memberships", fields["user_id"], read(Membership, fields))
    if votes:
        events, proposals, users = zip(*votes, strict=True)
        rows = await _VOTES.rows(connection, events=events, proposals=proposals, users=users)
        for state, fields in _by_state(states, rows):
            state.votes[fields["proposal_id"], fields["user_id"]] = read(Vote, fields)


def _by_state(
    states: dict[str, EventState], rows: Iterable[Any]
) -> Iterable[tuple[EventState, dict[str, Any]]]:
    for row in rows:
        fields = dict(row)
        yield states[fields.pop("event_id")], fields
