"""``vote.cast`` and ``vote.retract``."""

from __future__ import annotations

from typing import Any

from handlers.rules import tallies
from handlers.rules.resolution import evaluate, summary
from handlers.step import Outcome, Step
from persistence.event.records import Proposal
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError


def cast(step: Step, command: c.VoteCast) -> Outcome:
    """Vote for one revision; if the vote makes the proposal pass, accept it in the same step."""
    proposal = open_proposal(step, command.proposal)
    if command.revision != proposal.revision:
        raise FinalError(
            ErrorCode.REVISION_CHANGED, details={"path": "revision", "current": proposal.revision}
        )
    existing = step.state.vote(proposal.id, step.user)
    if existing is not None and existing.active and existing.revision == proposal.revision:
        return Outcome(_tally(step, proposal), applied=False)
    proposal = evaluate(step, tallies.cast(step, proposal, step.user, existing))
    return Outcome(_tally(step, proposal))


def retract(step: Step, command: c.VoteRetract) -> Outcome:
    """Retract the actor's vote. No proposal passes by this."""
    proposal = open_proposal(step, command.proposal)
    existing = step.state.vote(proposal.id, step.user)
    if existing is None or not existing.active or existing.revision != proposal.revision:
        return Outcome(_tally(step, proposal, status=False), applied=False)
    proposal = tallies.retract(step, proposal, existing)
    return Outcome(_tally(step, proposal, status=False))


def open_proposal(step: Step, id: str) -> Proposal:
    """Return the pending proposal ``id``; raise ``not_found`` or ``proposal_closed``."""
    proposal = step.proposal(id)
    if proposal.status != "pending":
        raise FinalError(ErrorCode.PROPOSAL_CLOSED, details=summary(proposal))
    return proposal


def _tally(step: Step, proposal: Proposal, *, status: bool = True) -> dict[str, Any]:
    # A decided proposal keeps the tally it was decided by.
    eligible = proposal.decision["eligible"] if proposal.decision else step.event.members
    tally: dict[str, Any] = {"agree": proposal.agree, "eligible": eligible}
    return tally | {"status": proposal.status} if status else tally
