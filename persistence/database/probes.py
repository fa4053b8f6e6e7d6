"""Statements that look many rows up by their keys, with one index probe a key.

A condition over all the keys at once can become a scan of the event.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, Text, column, func, select, true

from persistence.database import tables as t
from persistence.database.statements import EVENT, Statement, many


def columns_of(table: Any) -> Any:
    """A selection of what a record of ``table`` holds."""
    return select(*(c for c in table.columns if c.name != "event_id"))


def votes() -> Statement:
    """Votes by proposal and user, one index probe a pair."""
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
    return Statement(select(found).select_from(asked.join(found, true())))


def resolved() -> Statement:
    """Resolved proposals by their number, one index probe a number."""
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
    return Statement(select(found).select_from(asked.join(found, true())))


def _pending() -> Any:
    return (
        select(t.proposals.c.id)
        .where(t.proposals.c.event_id == EVENT, t.proposals.c.status == "pending")
        .subquery("open")
    )


def votes_of_few() -> Statement:
    """Users' votes on pending proposals: one index probe for each of the one and the other."""
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
    return Statement(select(found).select_from(asked.join(pending, true()).join(found, true())))


def votes_of_many() -> Statement:
    """The same: every vote on each of the proposals is read, and most left out."""
    pending = _pending()
    cast = (
        columns_of(t.votes)
        .where(t.votes.c.event_id == EVENT, t.votes.c.proposal_id == pending.c.id)
        # Keeps the users out of the index condition, where they would be probes again.
        .offset(0)
        .lateral("cast")
    )
    # Not as it is usually said, which would compare each with each: so it becomes a hash table.
    asked = cast.c.user_id.in_(select(func.unnest(many("users", Text)))).is_(true())
    return Statement(select(cast).select_from(pending.join(cast, true())).where(asked))
