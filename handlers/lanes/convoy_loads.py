"""Loads what the batches of a convoy lack, together.

An optimization only: what is not loaded here is loaded when a batch is decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from handlers.lanes.lane import Batch, DecisionContext
from handlers.lanes.prefetch import prefetch_needs
from persistence.event.state import EventState
from persistence.journal.transaction import Position, Transaction


async def load_together(
    transaction: Transaction,
    batches: Sequence[Batch],
    positions: Mapping[str, Position],
    context: DecisionContext,
) -> dict[str, EventState]:
    """Return the states of the events, at the ``positions`` they are locked at, that were read.

    Of a single batch nothing is read here.

    A lane's own state is detached from it when something is read into it: if that fails halfway,
    the state lacks rows that there are.
    """
    states: dict[str, EventState] = {}
    if len(batches) == 1:
        return states
    stale = [b for b in batches if (at := positions.get(b.event_id)) and not b.is_at(at)]
    if len(stale) > 1:
        for batch in stale:
            if batch.lane.state is not None:
                context.moved(batch.event_id)
        states = await transaction.load_together([batch.event_id for batch in stale])
    wanted = []
    for batch in batches:
        state = states.get(batch.event_id)
        if state is None and batch.is_at(positions.get(batch.event_id)):
            state = batch.lane.state
        if state is not None and (needs := prefetch_needs(batch.submissions, state)):
            wanted.append((batch, state, needs))
    if len(wanted) > 1:
        for batch, state, _ in wanted:
            states[batch.event_id], batch.lane.state = state, None
        await transaction.fetch_together((state, needs) for _, state, needs in wanted)
    return states
