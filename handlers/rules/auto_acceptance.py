"""Decide whether a proposal passes by its votes. Integers only: floats refuse 58 of 100 at 58 %."""

from __future__ import annotations

from datetime import datetime

from persistence.event.records import Event, Proposal
from protocol.policy import KindPolicy, Policy


def enough(rule: KindPolicy, *, agree: int, eligible: int) -> bool:
    """Whether ``agree`` of ``eligible`` meet the threshold."""
    if rule.rule == "count":
        return agree >= rule.threshold
    return eligible > 0 and agree * 100 >= rule.threshold * eligible


def quorum_met(policy: Policy, *, voters: int, eligible: int) -> bool:
    """Whether enough members voted, if the policy has a quorum."""
    return policy.quorum_percent is None or voters * 100 >= policy.quorum_percent * eligible


def in_time(proposal: Proposal, now: datetime) -> bool:
    """Whether votes may decide the proposal at ``now``."""
    return (proposal.opens_at is None or now >= proposal.opens_at) and (
        proposal.expires_at is None or now < proposal.expires_at
    )


def passes(proposal: Proposal, event: Event, policy: Policy, now: datetime) -> bool:
    """Whether ``proposal`` is accepted by its votes under ``policy`` at ``now``."""
    rule = policy.of(proposal.kind)
    return (
        proposal.status == "pending"
        and event.status == "in_progress"
        and rule.auto
        and not proposal.stale
        and in_time(proposal, now)
        and enough(rule, agree=proposal.agree, eligible=event.members)
        and quorum_met(policy, voters=proposal.voters, eligible=event.members)
    )
