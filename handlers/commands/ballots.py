"""``ballot.*``: the final ballot, and how it is counted."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from handlers.step import Outcome, Step, found
from handlers.views import NUMBERED_RULES
from persistence.event.records import Ballot
from persistence.event.state import EventState
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError

#: Points for the first, second and third criterion of a ranking.
WEIGHTS = (3, 2, 1)


def submit(step: Step, command: c.BallotSubmit) -> Outcome:
    """Store one option and a full ranking of the live criteria, in place of the ballot before."""
    event = step.event
    if command.criteria_rev != event.criteria_rev:
        raise FinalError(
            ErrorCode.STALE_CRITERIA,
            details={"path": "criteria_rev", "current": event.criteria_rev},
        )
    option = found(step.state.option(command.option), "option")
    if option.deleted:
        raise FinalError(ErrorCode.TARGET_GONE, details={"path": "option"})
    live = sorted(criterion.id for criterion in step.state.live_items("criterion"))
    order = command.criterion_order
    if len(order) != len(live) or sorted(order) != live:
        raise FinalError(
            ErrorCode.BAD_REQUEST,
            "rank each criterion once",
            details={"path": "criterion_order"},
        )
    existing = step.state.ballot(step.user)
    ballot = Ballot(
        user_id=step.user,
        option_id=option.id,
        criterion_order=order,
        criteria_rev=command.criteria_rev,
        revision=existing.revision if existing is not None else None,
    )
    if existing == ballot:
        return Outcome({}, applied=False)
    # A ballot of older rules says no revision: it counts as the first.
    current = (existing.revision or 1) if existing is not None else 0
    if command.base is not None and command.base != current:
        raise FinalError(
            ErrorCode.VERSION_CONFLICT,
            "another ballot stands",
            details={"path": "base", "current": current},
        )
    if step.limits.rules >= NUMBERED_RULES:
        ballot = replace(ballot, revision=current + 1)
    step.put(ballot)
    if existing is None:
        step.change_event(ballots=event.ballots + 1)
    return Outcome({})


def clear(step: Step, command: c.BallotClear) -> Outcome:
    """Withdraw the actor's ballot."""
    if step.state.ballot(step.user) is None:
        return Outcome({}, applied=False)
    step.drop("ballots", step.user)
    step.change_event(ballots=step.event.ballots - 1)
    return Outcome({})


def count(state: EventState) -> dict[str, Any]:
    """Return the result: votes per option, points per criterion; equal counts share a rank.

    Deleted criteria are removed from a ranking, and later ones move up. Criteria that were added
    after a ballot get no points from it.
    """
    options = {option.id: 0 for option in state.live_options()}
    criteria = {criterion.id: 0 for criterion in state.live_items("criterion")}
    ballots = state.all_ballots() if state.event.ballots else []
    for ballot in ballots:
        if ballot.option_id in options:
            options[ballot.option_id] += 1
        left = [id for id in ballot.criterion_order if id in criteria]
        for id, points in zip(left, WEIGHTS, strict=False):
            criteria[id] += points
    return {
        "ballots": len(ballots),
        "eligible": state.event.members,
        "options": _ranked(options, "option", "votes"),
        "criteria": _ranked(criteria, "criterion", "points"),
    }


def _ranked(counts: dict[str, int], key: str, unit: str) -> list[dict[str, Any]]:
    """Sort by count, highest first; equal counts share a rank and keep their order."""
    return [
        {key: id, unit: count, "rank": 1 + sum(other > count for other in counts.values())}
        for id, count in sorted(counts.items(), key=lambda pair: -pair[1])
    ]
