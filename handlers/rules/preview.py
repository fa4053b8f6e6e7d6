"""Preview which pending proposals a policy would accept: take the step, then discard it."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime
from typing import NamedTuple

from handlers.rules.resolution import accepted_of, evaluate
from handlers.step import Actor, Step
from persistence.database.pool import Database
from persistence.event import loading
from persistence.event.limits import DomainLimits
from persistence.event.outline import load_outline
from persistence.event.state import EventState, Missing
from protocol.errors import ErrorCode, FinalError
from protocol.policy import PolicyPatch, merge_policy

#: Times that one preview may ask for missing records; beyond it the preview fails. No preview comes
#: near it, so more is a defect.
MAX_FETCH_ROUNDS = 10_000
#: Proposals evaluated in one iteration of the event loop; then the preview yields. Few, since an
#: acceptance can make others stale or make room for them, and takes longer.
MAX_EVALUATED_TOGETHER = 8
#: A floor above every proposal: a preview shows no window, so it needs no records of it.
_NO_WINDOW = 2**31 - 1


class Preview(NamedTuple):
    """The accepted proposals, and how long that holds while the event does not move."""

    epoch: str
    seq: int
    accepted: list[str]
    """Ids of pending proposals, in order."""
    seconds: float
    """Seconds until a proposal opens or expires; infinite if none will."""


async def would_accept(
    database: Database, event_id: str, actor: Actor, patch: PolicyPatch, limits: DomainLimits
) -> Preview:
    """Return what ``patch`` on the policy would accept now. ``actor`` must be an accepted member.

    Reads no texts, and yields to other work as it goes.

    Raises ``not_found`` if the event is gone.
    """
    async with database.snapshot() as connection:
        state = await load_outline(connection, event_id)
        if state.event_record is None:
            raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
        policy = merge_policy(state.event.policy, patch)
        now = await connection.fetchval("SELECT clock_timestamp()")
        seconds = _until_time_tells(state, now)
        for _ in range(MAX_FETCH_ROUNDS):
            step = Step(
                state,
                actor=actor,
                command_id="preview",
                now=now,
                limits=limits,
                entropy=bytes(32),
            )
            try:
                step.change_event(policy=policy, resolved_floor=_NO_WINDOW)
                accepted = await _accepted(step)
                return Preview(state.epoch, state.seq, accepted, seconds)
            except Missing as missing:
                step.undo()
                await loading.fetch(connection, state, missing.needs)
    raise RuntimeError("a preview asked for too much")


async def _accepted(step: Step) -> list[str]:
    # A hidden tally must not show in what would be accepted, nor in what follows from that.
    candidates = [
        proposal.id for proposal in step.state.pending_proposals() if proposal.terms.tally == "live"
    ]
    for number, id in enumerate(candidates, 1):
        evaluate(step, step.proposal(id))
        if number % MAX_EVALUATED_TOGETHER == 0:
            await asyncio.sleep(0)
    return accepted_of(step, candidates)


def _until_time_tells(state: EventState, now: datetime) -> float:
    """Return the seconds until some pending proposal opens or expires."""
    moments = (
        moment
        for proposal in state.pending_proposals()
        for moment in (proposal.opens_at, proposal.expires_at)
        if moment is not None and moment > now
    )
    return min(((moment - now).total_seconds() for moment in moments), default=math.inf)
