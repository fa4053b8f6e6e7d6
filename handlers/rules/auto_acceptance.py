"""Decide whether a proposal passes by its votes. Integers only: floats refuse 58 of 100 at 58 %."""

from __future__ import annotations

from datetime import datetime

from handlers.rules import electorate
from persistence.event.records import Event, Proposal
from protocol.policy import Base, KindPolicy, Policy, Terms, fraction


def base_of(rule: KindPolicy, terms: Terms) -> Base:
    """Return what ``rule`` takes its share of, for a proposal with ``terms``.

    A share of the votes is taken at the close only. A proposal whose terms let votes decide at any
    time, from before such a policy, would pass by its first vote.
    """
    return "votes" if rule.of == "votes" and terms.decide == "close" else "members"


def enough(rule: KindPolicy, *, agree: int, eligible: int) -> bool:
    """Whether ``agree`` of ``eligible`` meet the threshold or the share."""
    if rule.rule == "share":
        assert isinstance(rule.share, str)
        numerator, denominator = fraction(rule.share)
        have, needed = agree * denominator, numerator * eligible
        return eligible > 0 and (have > needed if rule.more_than is True else have >= needed)
    assert isinstance(rule.threshold, int)
    if rule.rule == "count":
        return agree >= rule.threshold
    return eligible > 0 and agree * 100 >= rule.threshold * eligible


def quorum_met(policy: Policy, *, voters: int, eligible: int) -> bool:
    """Whether enough members voted, if the policy has a quorum."""
    return policy.quorum_percent is None or voters * 100 >= policy.quorum_percent * eligible


def in_time(proposal: Proposal, now: datetime) -> bool:
    """Whether votes may decide the proposal at ``now``, if they need not wait for its close."""
    return (proposal.opens_at is None or now >= proposal.opens_at) and (
        proposal.expires_at is None or now < proposal.expires_at
    )


def has_closed(proposal: Proposal, now: datetime) -> bool:
    """Whether votes come too late, since the votes before ``expires_at`` decide."""
    return (
        proposal.terms.decide == "close"
        and proposal.expires_at is not None
        and now >= proposal.expires_at
    )


def _may_decide(proposal: Proposal, now: datetime, *, closing: bool) -> bool:
    if proposal.terms.decide == "reached":
        return in_time(proposal, now)
    # The moment of the close counts as still in time, however late the timer comes.
    opens, closes = proposal.opens_at, proposal.expires_at
    return closing and (opens is None or (closes is not None and closes >= opens))


def passes(
    proposal: Proposal, event: Event, policy: Policy, now: datetime, *, closing: bool = False
) -> bool:
    """Whether ``proposal`` is accepted by its votes under ``policy`` at ``now``.

    ``closing``: this is its close, at which votes decide that had to wait for it.
    """
    rule, eligible = policy.of(proposal.kind), electorate.size(event, proposal)
    return (
        proposal.status == "pending"
        and event.status == "in_progress"
        and rule.auto
        and not proposal.stale
        and enough(
            rule,
            agree=proposal.agree,
            eligible=eligible
            if base_of(rule, proposal.terms) == "members"
            else proposal.agree + proposal.against,
        )
        and _may_decide(proposal, now, closing=closing)
        and quorum_met(policy, voters=proposal.voters, eligible=eligible)
    )
