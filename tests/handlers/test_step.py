"""A step that is undone leaves the state as it was, after any change."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import msgspec

from handlers.step import Actor, Step
from persistence.event.limits import DomainLimits
from persistence.event.state import EventState
from tests.handlers.test_tallies import Handlers


def contents(state: EventState) -> dict[str, Any]:
    """The whole content of a state."""
    names = {name for kind in type(state).__mro__ for name in getattr(kind, "__slots__", ())}
    names |= set(getattr(state, "__dict__", {}))
    return {name: copy.deepcopy(getattr(state, name)) for name in names if hasattr(state, name)}


def step_on(state: EventState) -> Step:
    return Step(
        state,
        actor=Actor("ada", "Ada"),
        command_id="command-undone",
        now=datetime(2026, 11, 23, tzinfo=UTC),
        limits=DomainLimits(),
        entropy=bytes(range(64)),
    )


def test_undoing_a_decided_proposal_takes_its_number_back() -> None:
    event = Handlers()
    event.do("ada", "event.start")
    made = event.do("ada", "proposal.create", kind="assumption", category="create", content="It")
    state = event.system.stored
    # As a lane that has just loaded the event.
    state.pending[made["proposal"]] = None
    before = contents(state)
    step = step_on(state)
    proposal = state.proposals[made["proposal"]]
    assert proposal is not None
    step.put(msgspec.structs.replace(proposal, status="rejected", resolved_no=7))
    assert state.numbered[7] == proposal.id
    step.undo()
    assert contents(state) == before


def test_undoing_a_made_event_takes_its_epoch_back() -> None:
    event = Handlers().system.stored.event
    state = EventState(event.id)
    before = contents(state)
    step = step_on(state)
    step.make_event(event)
    assert state.epoch == event.epoch
    step.undo()
    assert contents(state) == before
