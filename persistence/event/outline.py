"""An event without its texts: what is pending and its targets, in a fraction of the bytes."""

from __future__ import annotations

from typing import Any

import asyncpg
from sqlalchemy import case, select

from persistence.database import tables as t
from persistence.database.statements import EVENT, Statement, record_columns
from persistence.event.loading import EVENT_ROW, add_rows, read
from persistence.event.records import Event, Item, Proposal
from persistence.event.state import EventState

#: Columns that an outline leaves empty.
_TEXTS = frozenset({"content", "conclusion", "reason", "resolution_reason"})


def _outline(table: Any) -> Any:
    """Select the same columns with empty texts, which are neither read nor sent."""
    return select(
        *(
            case((c.is_not(None), "")).label(c.name) if c.name in _TEXTS else c
            for c in record_columns(table)
        )
    )


_LIVE_ITEMS_OUTLINE = Statement(
    "live_items_outline", _outline(t.items).where(t.items.c.event_id == EVENT, ~t.items.c.deleted)
)
_PENDING_OUTLINE = Statement(
    "pending_outline",
    _outline(t.proposals)
    .where(t.proposals.c.event_id == EVENT, t.proposals.c.status == "pending")
    .order_by(t.proposals.c.number),
)


async def load_outline(connection: asyncpg.Connection[Any], event_id: str) -> EventState:
    """Load the event with empty texts: enough to see which proposals pass.

    A decision made on it must be thrown away.
    """
    row = await EVENT_ROW.row(connection, event=event_id)
    if row is None:
        return EventState(event_id)
    state = EventState(event_id, read(Event, row))
    await add_rows(state, "items", Item, await _LIVE_ITEMS_OUTLINE.rows(connection, event=event_id))
    pending = await _PENDING_OUTLINE.rows(connection, event=event_id)
    await add_rows(state, "proposals", Proposal, pending)
    state.pending.update(dict.fromkeys(proposal["id"] for proposal in pending))
    return state
