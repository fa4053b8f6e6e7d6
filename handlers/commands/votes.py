"""``vote.cast`` and ``vote.retract``."""

from __future__ import annotations

from typing import Any

from handlers.rules import tallies
from handlers.rules.resolution import look_at, summary
from handlers.step import Outcome, Step
from persistence.event.records import Proposal
from protocol import commands as c
from protocol.errors import ErrorCode, Refusal


def cast(step: Step, command: c.VoteCast) -> Outcome:
    """A vote for the words of one revision; the vote that carries the proposal accepts it."""
    proposal = open_proposal(step, command.proposal)
    if command.revision != proposal.revision:
        raise Refusal(
            ErrorCode.REVISION_CHANGED, details={"path": "revision", "current": proposal.revision}
        )
    held = step.state.vote(proposal.id, step.user)
    if held is not None and held.active and held.revision == proposal.revision:
        return Outcome(_tally(step, proposal), applied=False)
    proposal = look_at(step, tallies.cast(step, proposal, step.user, held))
    return Outcome(_tally(step, proposal))


def retract(step: Step, command: c.VoteRetract) -> Outcome:
    """Take one's vote back. Nothing passes by this."""
    proposal = open_proposal(step, command.proposal)
    held = step.state.vote(proposal.id, step.user)
    if held is None or not held.active or held.revision != proposal.revision:
        return Outcome(_tally(step, proposal, status=False), applied=False)
    proposal = tallies.retract(step, proposal, held)
    return Outcome(_tally(step, proposal, status=False))


def open_proposal(step: Step, id: str) -> Proposal:
    """The pending proposal ``id``; raises ``not_found`` or ``proposal_closed``."""
    proposal = step.proposal(id)
    if proposal.status != "pending":
        raise Refusal(ErrorCode.PROPOSAL_CLOSED, details=summary(proposal))
    return proposal


def _tally(step: Step, proposal: Proposal, *, status: bool = True) -> dict[str, Any]:
    # A decided one keeps the tally it was decided by.
    eligible = proposal.decision["eligible"] if proposal.decision else step.event.members
    told: dict[str, Any] = {"agree": proposal.agree, "eligible": eligible}
    return told | {"status": proposal.status} if status else told
