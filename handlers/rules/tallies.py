"""Keep the tally of a proposal as votes are cast, retracted and dropped.

``agree`` counts active votes on the current revision by accepted members. ``voters`` counts those
members with any vote on it. Both are stored with the proposal, under the event's lock, so that no
decision has to count rows.
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from handlers.step import Step
from persistence.event.records import Proposal, Vote

#: A revision that no proposal ever has.
_NO_REVISION = 0


def cast(step: Step, proposal: Proposal, user: str, existing: Vote | None) -> Proposal:
    """Cast ``user``'s vote on the current revision; ``existing`` is their earlier vote, if any."""
    step.put(Vote(proposal_id=proposal.id, user_id=user, revision=proposal.revision, active=True))
    took_part = existing is not None and existing.revision == proposal.revision
    changed = replace(proposal, agree=proposal.agree + 1, voters=proposal.voters + (not took_part))
    step.put(changed)
    return changed


def retract(step: Step, proposal: Proposal, existing: Vote) -> Proposal:
    """Retract the active vote ``existing``; its owner still counts as a voter."""
    step.put(replace(existing, active=False))
    changed = replace(proposal, agree=proposal.agree - 1)
    step.put(changed)
    return changed


def member_goes(step: Step, user: str) -> None:
    """Drop the votes of ``user``, who is no longer a member, from pending proposals."""
    for vote in step.state.votes_of(user):
        proposal = step.proposal(vote.proposal_id)
        if vote.active:
            step.put(replace(vote, active=False))
        if vote.revision == proposal.revision:
            step.put(
                replace(proposal, agree=proposal.agree - vote.active, voters=proposal.voters - 1)
            )


def members_return(step: Step, *users: str) -> list[str]:
    """Count users who are accepted again as voters, by their old, inactive votes.

    Returns the ids of the pending proposals that they voted on, oldest first.
    """
    took_part = Counter(
        vote.proposal_id
        for vote in step.state.votes_of(*users)
        if vote.revision == step.proposal(vote.proposal_id).revision
    )
    for id, voters in took_part.items():
        proposal = step.proposal(id)
        step.put(replace(proposal, voters=proposal.voters + voters))
    return [id for id in step.state.pending if id in took_part]


def member_is_forgotten(step: Step, user: str) -> None:
    """Detach the old votes of ``user``, of whose membership no record remains."""
    for vote in step.state.votes_of(user):
        step.put(replace(vote, revision=_NO_REVISION, active=False))
