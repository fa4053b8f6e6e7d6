"""How the votes on a proposal stand, and how they ended: plain values for showing."""

from __future__ import annotations

from typing import NamedTuple

from ayes_client.state import ProposalStatus, Resolution, Stance


class Decided(NamedTuple):
    """How a proposal was closed, with the counts of that moment.

    ``carried``: it was accepted. ``how``: by ``auto_votes``, ``admin`` and so on. ``by``: the user
    who closed it, if it was not votes, which are secret, nor the server.
    """

    carried: bool
    status: ProposalStatus
    how: Resolution | None
    by: str | None
    at: str | None
    reason: str | None
    agree: int | None
    against: int | None
    abstain: int | None
    eligible: int | None


class Tally(NamedTuple):
    """The votes on a proposal, with the user's own counted once at every moment.

    From a vote's first moment until the room shows it, the user's old stance is taken from the
    counts and the new one is added. So the counts are those before it or those after it, and never
    anything else. A closed proposal has the counts of its decision.
    """

    agree: int | None
    """``None`` while the tally is hidden, as ``against`` and ``abstain`` are then."""
    against: int | None
    abstain: int | None
    mine: Stance | None
    """The user's own stance, a vote on its way included; ``None`` without one."""
    sending: bool
    """Whether a vote or its retraction is pending: not answered, or not shown yet."""
    eligible: int
    """How many may vote."""
    needed: int | None
    """The least ``agree`` that passes; ``None`` if no number does, or if it cannot be known."""
    automatic: bool
    """Whether votes decide; otherwise an admin does."""
    at_close: bool
    """Whether they decide when the time is up, and not as soon as enough agree."""
    voters: int | None
    """How many took part, as far as the room shows it."""
    quorum: int | None
    """How many must take part; ``None`` if the policy has no quorum."""
    hidden: bool
    """Whether ``agree``, ``against`` and ``abstain`` are not shown before the close."""
    stances: tuple[Stance, ...]
    """The stances that a vote may have."""
    outcome: Decided | None
    """How it ended; ``None`` while it is pending."""
