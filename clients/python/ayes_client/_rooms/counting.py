"""Counts votes as the server's rules do (``handlers/rules``), for display. Integers only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from ayes_client.command import Pending
from ayes_client.state import Decision, Json, Proposal, Stance, State, You
from ayes_client.tally import Decided, Tally

_COUNTS: tuple[Stance, ...] = ("agree", "against", "abstain")


def tally_of(id: str, state: State, you: You, pending: Iterable[Pending]) -> Tally:
    """Return the tally of the shown proposal ``id``; ``pending`` has the oldest first."""
    proposal = state["proposals"][id]
    decision, is_open = proposal.get("decision"), proposal["status"] == "pending"
    shown = _shown(id, proposal, you)
    about = [each for each in pending if is_vote_on(each, id)]
    mine = _intended(about[-1], proposal, shown) if about and is_open else shown
    hidden = is_open and "agree" not in proposal
    counts = {name: None if hidden else _count(name, proposal, decision) for name in _COUNTS}
    if is_open:
        _move(counts, shown, -1)
        _move(counts, mine, +1)
    policy = state["event"].get("policy")
    rule = cast(Json, decision or (policy[proposal["kind"]] if policy else {}))
    members = state["counts"].get("members", 0)
    eligible = decision["eligible"] if decision else proposal.get("eligible", members)
    terms = proposal.get("terms", {})
    at_close = terms.get("decide") == "close"
    # A share of the votes is taken at the close only: the first vote would decide otherwise.
    of_votes = rule.get("of") == "votes" and (decision is not None or at_close)
    percent = policy.get("quorum_percent") if is_open and policy is not None else None
    return Tally(
        agree=counts["agree"],
        against=counts["against"],
        abstain=counts["abstain"],
        mine=mine,
        sending=bool(about),
        eligible=eligible,
        needed=needed(rule, eligible=eligible, against=counts["against"], of_votes=of_votes),
        automatic=decision is not None or rule.get("auto", False),
        at_close=at_close,
        voters=proposal.get("voters"),
        quorum=None if percent is None else -(-percent * eligible // 100),
        hidden=hidden,
        stances=tuple(terms.get("stances", ("agree",))),
        outcome=decided_of(proposal),
    )


def is_vote_on(pending: Pending, proposal: str) -> bool:
    """Whether a command votes on ``proposal``, or retracts such a vote."""
    votes = pending.type in ("vote.cast", "vote.retract")
    return votes and pending.args.get("proposal") == proposal


def decided_of(proposal: Proposal) -> Decided | None:
    """Return how ``proposal`` was closed; ``None`` while it is pending."""
    if proposal["status"] == "pending":
        return None
    decision: Json = cast(Json, proposal.get("decision", {}))
    return Decided(
        carried=proposal["status"] == "accepted",
        status=proposal["status"],
        how=proposal.get("resolution"),
        by=proposal.get("resolved_by"),
        at=proposal.get("resolved_at"),
        reason=proposal.get("resolution_reason"),
        agree=decision.get("agree"),
        against=decision.get("against"),
        abstain=decision.get("abstain"),
        eligible=decision.get("eligible"),
    )


def needed(
    rule: Json, *, eligible: int, against: int | None = 0, of_votes: bool = False
) -> int | None:
    """Return the least number that must agree; ``None`` if no number passes.

    ``of_votes``: the share is that of the votes for and against, and ``against`` of them are
    against.
    """
    if not rule:
        return None
    threshold: int = rule.get("threshold", 0)
    if rule["rule"] == "count":
        return threshold
    if rule["rule"] == "percent":
        return max(-(-threshold * eligible // 100), 1)
    part, of = (int(number) for number in rule["share"].split("/"))
    more = rule.get("more_than", False)
    if not of_votes:
        return max(_least(part * eligible, of, more=more), 1)
    # agree * of >= part * (agree + against), solved for agree.
    if against is None:
        return None
    if part == of:
        return 1 if against == 0 and not more else None
    return max(_least(part * against, of - part, more=more), 1)


def _least(a: int, b: int, *, more: bool) -> int:
    """Return the least whole number that is at least ``a / b``, or with ``more`` greater."""
    return a // b + 1 if more else -(-a // b)


def _shown(id: str, proposal: Proposal, you: You) -> Stance | None:
    if you.get("votes", {}).get(id) != proposal["revision"]:
        return None
    return you.get("stances", {}).get(id, "agree")


def _intended(pending: Pending, proposal: Proposal, shown: Stance | None) -> Stance | None:
    if pending.type == "vote.retract":
        return None
    if pending.args.get("revision") != proposal["revision"]:
        # It is for other words, and will be refused.
        return shown
    return cast(Stance, pending.args.get("stance", "agree"))


def _count(name: Stance, proposal: Proposal, decision: Decision | None) -> int | None:
    found = decision.get(name) if decision else None
    return proposal.get(name, 0) if found is None else found


def _move(counts: dict[Stance, int | None], stance: Stance | None, by: int) -> None:
    if stance is not None and (count := counts[stance]) is not None:
        counts[stance] = count + by
