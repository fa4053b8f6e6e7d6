"""Keep the tally of a proposal as votes are cast, retracted and dropped.

``agree``, ``against`` and ``abstain`` count active votes on the current revision by accepted
members. ``voters`` counts those members with any vote on it. All are stored with the proposal,
under the event's lock, so that no decision has to count rows.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from msgspec.structs import replace

from handlers.rules.electorate import was_there
from handlers.step import Step
from persistence.event.records import Membership, Proposal, Vote
from protocol.policy import Stance

#: A revision that no proposal ever has.
_NO_REVISION = 0


def cast(
    step: Step, proposal: Proposal, user: str, existing: Vote | None, stance: Stance = "agree"
) -> Proposal:
    """Cast ``user``'s vote on the current revision, in place of ``existing``, if there is one."""
    step.put(
        Vote(
            proposal_id=proposal.id,
            user_id=user,
            revision=proposal.revision,
            active=True,
            stance=stance,
        )
    )
    changes: dict[str, Any] = {stance: getattr(proposal, stance) + 1}
    if existing is None or not took_part(existing, proposal):
        changes["voters"] = proposal.voters + 1
    elif existing.active:
        changes |= _without(proposal, existing)
    changed = replace(proposal, **changes)
    step.put(changed)
    return changed


def took_part(vote: Vote, proposal: Proposal) -> bool:
    """Whether ``vote``, retracted or not, is one on the current revision."""
    return vote.revision == proposal.revision and vote.stance != "absent"


def _without(proposal: Proposal, vote: Vote) -> dict[str, Any]:
    """Return the count of ``proposal`` from which the active ``vote`` is taken."""
    return {vote.stance: getattr(proposal, vote.stance) - 1}


def retract(step: Step, proposal: Proposal, existing: Vote) -> Proposal:
    """Retract the active vote ``existing``; its owner still counts as a voter."""
    step.put(replace(existing, active=False))
    changed = replace(proposal, **_without(proposal, existing))
    step.put(changed)
    return changed


def member_goes(step: Step, membership: Membership) -> None:
    """Drop the votes of ``membership``, which ends now, from pending proposals.

    Where it belongs to an electorate of then, it keeps its place there.
    """
    user = membership.user_id
    known = set()
    for vote in step.state.votes_of(user):
        proposal = step.proposal(vote.proposal_id)
        if vote.revision == proposal.revision:
            known.add(proposal.id)
        if vote.active:
            step.put(replace(vote, active=False))
        if took_part(vote, proposal):
            changes = _without(proposal, vote) if vote.active else {}
            step.put(replace(proposal, voters=proposal.voters - 1, **changes))
    for proposal in step.state.pending_proposals():
        if proposal.id not in known and was_there(proposal, membership):
            step.put(_absent(proposal, user))


def _absent(proposal: Proposal, user: str) -> Vote:
    return Vote(
        proposal_id=proposal.id,
        user_id=user,
        revision=proposal.revision,
        active=False,
        stance="absent",
    )


def members_return(step: Step, *users: str) -> list[str]:
    """Count users who are accepted again as voters, by their old, inactive votes.

    Returns the ids of the pending proposals that they voted on, oldest first.
    """
    votes = Counter(
        vote.proposal_id
        for vote in step.state.votes_of(*users)
        if took_part(vote, step.proposal(vote.proposal_id))
    )
    for id, voters in votes.items():
        proposal = step.proposal(id)
        step.put(replace(proposal, voters=proposal.voters + voters))
    return [id for id in step.state.pending if id in votes]


def member_is_forgotten(step: Step, user: str) -> None:
    """Detach the old votes of ``user``, of whose membership no record remains."""
    for vote in step.state.votes_of(user):
        proposal = step.proposal(vote.proposal_id)
        if proposal.opened_joins is not None and vote.revision == proposal.revision:
            step.put(_absent(proposal, user))
        else:
            step.put(replace(vote, revision=_NO_REVISION, active=False))
