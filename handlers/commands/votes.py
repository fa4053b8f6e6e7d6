"""``vote.cast`` and ``vote.retract``."""

from __future__ import annotations

from typing import Any

from handlers.rules import electorate, tallies
from handlers.rules.auto_acceptance import has_closed
from handlers.rules.resolution import evaluate, summary
from handlers.step import Outcome, Step
from persistence.event.records import Proposal, Vote
from protocol import commands as c
from protocol.answers import timestamp
from protocol.errors import ErrorCode, FinalError


def cast(step: Step, command: c.VoteCast) -> Outcome:
    """Vote for one revision; if the vote makes the proposal pass, accept it in the same step.

    Raises ``proposal_closed``, ``revision_changed``, ``not_eligible``, or ``bad_request`` for a
    stance that the terms do not allow.
    """
    proposal = _votable_proposal(step, command.proposal)
    if command.revision != proposal.revision:
        raise FinalError(
            ErrorCode.REVISION_CHANGED, details={"path": "revision", "current": proposal.revision}
        )
    existing = step.state.vote(proposal.id, step.user)
    if not electorate.includes(proposal, step.member(step.user), existing):
        raise FinalError(
            ErrorCode.NOT_ELIGIBLE, "only those who were members when it was made may vote on it"
        )
    if not proposal.terms.allows(command.stance):
        raise FinalError(
            ErrorCode.BAD_REQUEST,
            f"a vote on this proposal cannot say {command.stance}",
            details={"path": "stance"},
        )
    if _stands(existing, proposal) and existing is not None and existing.stance == command.stance:
        return Outcome(_tally(step, proposal), applied=False)
    proposal = tallies.cast(step, proposal, step.user, existing, command.stance)
    return Outcome(_tally(step, evaluate(step, proposal)))


def retract(step: Step, command: c.VoteRetract) -> Outcome:
    """Retract the actor's vote. No proposal passes by this."""
    proposal = _votable_proposal(step, command.proposal)
    existing = step.state.vote(proposal.id, step.user)
    if existing is None or not _stands(existing, proposal):
        return Outcome(_tally(step, proposal, status=False), applied=False)
    proposal = tallies.retract(step, proposal, existing)
    return Outcome(_tally(step, proposal, status=False))


def _stands(vote: Vote | None, proposal: Proposal) -> bool:
    return vote is not None and vote.active and vote.revision == proposal.revision


def _votable_proposal(step: Step, id: str) -> Proposal:
    """Return the pending proposal ``id``; ``proposal_closed`` also once its close has come."""
    proposal = open_proposal(step, id)
    if has_closed(proposal, step.now):
        assert proposal.expires_at is not None
        raise FinalError(
            ErrorCode.PROPOSAL_CLOSED,
            "the votes before its close decide",
            details={"status": proposal.status, "at": timestamp(proposal.expires_at)},
        )
    return proposal


def open_proposal(step: Step, id: str) -> Proposal:
    """Return the pending proposal ``id``; raise ``not_found`` or ``proposal_closed``."""
    proposal = step.proposal(id)
    if proposal.status != "pending":
        raise FinalError(ErrorCode.PROPOSAL_CLOSED, details=summary(proposal))
    return proposal


def _tally(step: Step, proposal: Proposal, *, status: bool = True) -> dict[str, Any]:
    """Return what the voter may know of the tally; if that is shown at the close, not even now."""
    terms = proposal.terms
    if terms.tally == "live":
        tally: dict[str, Any] = {name: getattr(proposal, name) for name in terms.stances}
    else:
        tally = {"voters": proposal.voters} if terms.has_choice else {}
    # A decided proposal keeps the tally it was decided by.
    decision = proposal.decision
    tally["eligible"] = decision["eligible"] if decision else electorate.size(step.event, proposal)
    return tally | {"status": proposal.status} if status else tally
