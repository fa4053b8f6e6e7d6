"""The electorate of a proposal: its members, and their number.

With ``electorate`` = ``now`` these are the members of the event at any time. With ``opening`` they
are those of the moment when the proposal, or its present revision, was made. No list of them is
kept. Members of then have a lower ``joined_no`` than later ones. If one of them leaves, a record of
a vote stays, given or not (``absent``).
"""

from __future__ import annotations

from typing import Any

from persistence.event.records import Event, Membership, Proposal, Vote


def size(event: Event, proposal: Proposal) -> int:
    """Return how many may vote on ``proposal``, or could when its revision was made."""
    return event.members if proposal.eligible is None else proposal.eligible


def opening(event: Event, proposal: Proposal) -> dict[str, Any]:
    """Return the fields of ``proposal`` that fix its electorate to that of now, with their values.

    Empty if the electorate is not fixed.
    """
    if proposal.terms.electorate != "opening":
        return {}
    return {"eligible": event.members, "opened_joins": event.joins}


def includes(proposal: Proposal, membership: Membership, vote: Vote | None) -> bool:
    """Whether the user of ``membership`` and ``vote`` belongs to the electorate."""
    if proposal.opened_joins is None:
        return True
    if vote is not None and vote.revision == proposal.revision:
        return True
    return was_there(proposal, membership)


def was_there(proposal: Proposal, membership: Membership) -> bool:
    """Whether ``membership`` has had a vote ever since the electorate was fixed."""
    number = membership.joined_no if membership.vote_no is None else membership.vote_no
    return (
        proposal.opened_joins is not None and number is not None and number <= proposal.opened_joins
    )
