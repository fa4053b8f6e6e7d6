"""Statements that read many rows by their keys, with one index probe per key.

A condition on all keys together can become a scan of the whole event.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, Text, column, func, select, true

from persistence.database import tables as t
from persistence.database.statements import EVENT, Statement, many, record_columns


def columns_of(table: Any) -> Any:
    """Select the columns that a record of ``table`` has."""
    return select(*record_columns(table))


def votes() -> Statement:
    """Read votes by proposal and user, with one index probe per pair."""
    asked = (
        func.unnest(many("proposals", Text), many("users", Text))
        .table_valued(column("proposal_id", Text), column("user_id", Text), name="asked")
        .render_derived()
    )
    found = (
        columns_of(t.votes)
        .where(
            t.votes.c.event_id == EVENT,
            t.votes.c.proposal_id == asked.c.proposal_id,
            t.votes.c.user_id == asked.c.user_id,
        )
        .limit(1)
        .lateral("found")
    )
    return Statement("probe_votes", select(found).select_from(asked.join(found, true())))


def _of_events(name: str, table: Any, *keys: str) -> Statement:
    """Read rows of several events by their keys, with one index probe per row."""
    names = ("event_id", *keys)
    parameters = {"event_id": "events", "proposal_id": "proposals", "user_id": "users"}
    asked = (
        func.unnest(*(many(parameters[name], Text) for name in names))
        .table_valued(*(column(name, Text) for name in names), name="asked")
        .render_derived()
    )
    found = (
        select(table)
        .where(*(table.c[name] == asked.c[name] for name in names))
        .limit(1)
        .lateral("found")
    )
    return Statement(name, select(found).select_from(asked.join(found, true())))


def memberships_of_events() -> Statement:
    """Read memberships by event and user."""
    return _of_events("probe_memberships_of_events", t.memberships, "user_id")


def votes_of_events() -> Statement:
    """Read votes by event, proposal and user."""
    return _of_events("probe_votes_of_events", t.votes, "proposal_id", "user_id")


def resolved() -> Statement:
    """Read resolved proposals by their number, with one index probe per number."""
    asked = (
        func.unnest(many("keys", Integer))
        .table_valued(column("resolved_no", Integer), name="asked")
        .render_derived()
    )
    found = (
        columns_of(t.proposals)
        .where(t.proposals.c.event_id == EVENT, t.proposals.c.resolved_no == asked.c.resolved_no)
        .limit(1)
        .lateral("found")
    )
    return Statement("probe_resolved", select(found).select_from(asked.join(found, true())))


def _pending() -> Any:
    return (
        select(t.proposals.c.id)
        .where(t.proposals.c.event_id == EVENT, t.proposals.c.status == "pending")
        .subquery("open")
    )


def votes_of_few() -> Statement:
    """Read users' votes on pending proposals, with one index probe per user and proposal."""
    asked = (
        func.unnest(many("users", Text))
        .table_valued(column("user_id", Text), name="asked")
        .render_derived()
    )
    pending = _pending()
    found = (
        columns_of(t.votes)
        .where(
            t.votes.c.event_id == EVENT,
            t.votes.c.proposal_id == pending.c.id,
            t.votes.c.user_id == asked.c.user_id,
        )
        .limit(1)
        .lateral("found")
    )
    return Statement(
        "votes_of_few", select(found).select_from(asked.join(pending, true()).join(found, true()))
    )


def votes_of_many() -> Statement:
    """Read the same votes by reading all votes on each proposal and filtering them."""
    pending = _pending()
    cast = (
        columns_of(t.votes)
        .where(t.votes.c.event_id == EVENT, t.votes.c.proposal_id == pending.c.id)
        # Keeps the users out of the index condition, where each of them would be a probe again.
        .offset(0)
        .lateral("cast")
    )
    # Written as ``IN (SELECT unnest(…)) IS TRUE`` so that the planner hashes the user list; ``=
    # ANY(…)`` would compare every pair.
    asked = cast.c.user_id.in_(select(func.unnest(many("users", Text)))).is_(true())
    return Statement(
        "votes_of_many", select(cast).select_from(pending.join(cast, true())).where(asked)
    )
