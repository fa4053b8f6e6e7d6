"""Votes going in and out of a proposal's tally.

``agree`` counts active votes on the present revision by accepted members, ``voters`` those of them
with any vote on it. Both are kept with the proposal, under the event's lock, so that no decision
has to count rows.
"""

from __future__ import annotations

from msgspec.structs import replace

from handlers.step import Step
from persistence.records import Proposal, Vote


def cast(step: Step, proposal: Proposal, user: str, held: Vote | None) -> Proposal:
    """``user``'s vote on the present revision; ``held`` is the vote there was, if any."""
    step.put(Vote(proposal_id=proposal.id, user_id=user, revision=proposal.revision, active=True))
    took_part = held is not None and held.revision == proposal.revision
    changed = replace(proposal, agree=proposal.agree + 1, voters=proposal.voters + (not took_part))
    step.put(changed)
    return changed


def retract(step: Step, proposal: Proposal, held: Vote) -> Proposal:
    """Take the active vote ``held`` back; its owner still took part."""
    step.put(replace(held, active=False))
    changed = replace(proposal, agree=proposal.agree - 1)
    step.put(changed)
    return changed


def member_goes(step: Step, user: str) -> None:
    """``user`` is no longer an accepted member: their votes on pending proposals go."""
    for vote in step.state.votes_of(user):
        proposal = step.proposal(vote.proposal_id)
        if vote.active:
            step.put(replace(vote, active=False))
        if vote.revision == proposal.revision:
            step.put(
                replace(proposal, agree=proposal.agree - vote.active, voters=proposal.voters - 1)
            )


def member_returns(step: Step, user: str) -> None:
    """``user`` is accepted again: by their old, inactive votes they took part."""
    for vote in step.state.votes_of(user):
        proposal = step.proposal(vote.proposal_id)
        if vote.revision == proposal.revision:
            step.put(replace(proposal, voters=proposal.voters + 1))
