"""Votes going in and out of a proposal's tally.

``agree`` counts active votes on the present revision by accepted members, ``voters`` those of them
with any vote on it. Both are kept with the proposal, under the event's lock, so that no decision
has to count rows.
"""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from handlers.step import Step
from persistence.event.records import Proposal, Vote

#: A vote on no revision that ever was.
_NO_REVISION = 0


def cast(step: Step, proposal: Proposal, user: str, existing: Vote | None) -> Proposal:
    """``user``'s vote on the present revision; ``existing`` is the vote there was, if any."""
    step.put(Vote(proposal_id=proposal.id, user_id=user, revision=proposal.revision, active=True))
    took_part = existing is not None and existing.revision == proposal.revision
    changed = replace(proposal, agree=proposal.agree + 1, voters=proposal.voters + (not took_part))
    step.put(changed)
    return changed


def retract(step: Step, proposal: Proposal, existing: Vote) -> Proposal:
    """Take the active vote ``existing`` back; its owner still took part."""
    step.put(replace(existing, active=False))
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


def members_return(step: Step, *users: str) -> list[str]:
    """The users are accepted again: by their old, inactive votes they took part.

    The ids of the pending proposals in which they did, oldest first.
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
    """``user``, who is no member, is a stranger from now on: their old votes are on nothing."""
    for vote in step.state.votes_of(user):
        step.put(replace(vote, revision=_NO_REVISION, active=False))
