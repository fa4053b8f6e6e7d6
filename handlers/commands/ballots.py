"""``ballot.*``: the final ballot."""

from __future__ import annotations

from msgspec.structs import replace

from handlers.step import Outcome, Step
from handlers.views import NUMBERED_RULES
from persistence.event.limits import FIXED_BALLOT_RULES, KEPT_REVISION_RULES
from persistence.event.records import Ballot
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError
from protocol.policy import BallotMethod


def submit(step: Step, command: c.BallotSubmit) -> Outcome:
    """Store the options and the ranking of the criteria, in place of the ballot before.

    Raises ``stale_criteria`` for an earlier set of criteria, and ``version_conflict`` if ``base``
    is not the present ballot.
    """
    event = step.event
    if command.criteria_rev != event.criteria_rev:
        raise FinalError(
            ErrorCode.STALE_CRITERIA,
            details={"path": "criteria_rev", "current": event.criteria_rev},
        )
    method = event.policy.final_ballot.method
    options = _chosen(step, command, method)
    order = _ranking(step, command.criterion_order)
    existing = step.state.ballot(step.user)
    ballot = Ballot(
        user_id=step.user,
        option_id=options[0],
        options=None if command.options is None else options,
        criterion_order=order,
        criteria_rev=command.criteria_rev,
    )
    if existing is not None and _same(existing, ballot, method):
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
        ballot = replace(ballot, revision=(current or _last_revision(step)) + 1)
    if step.limits.rules >= FIXED_BALLOT_RULES:
        ballot = replace(ballot, seq=step.seq)
        if not event.ballot_fixed:
            step.change_event(ballot_fixed=True)
    step.put(ballot)
    if existing is None:
        step.change_event(ballots=event.ballots + 1)
    return Outcome({})


def _last_revision(step: Step) -> int:
    """Return the revision of the actor's latest ballot that is gone; 0 if there was none."""
    if step.limits.rules < KEPT_REVISION_RULES:
        return 0
    return step.member(step.user).ballot_revision or 0


def _chosen(step: Step, command: c.BallotSubmit, method: BallotMethod) -> list[str]:
    """Return the options that the ballot names, as its method asks."""
    wanted, sent = command.options, "options"
    if command.option is not None:
        wanted, sent = [command.option], "option"
    asked = "option" if method == "single" else "options"
    if wanted is None or sent != asked:
        raise _wrong(sent, f"this ballot asks for {asked}")
    for index, id in enumerate(wanted):
        path = sent if sent == "option" else f"options[{index}]"
        option = step.state.option(id)
        if option is None:
            raise FinalError(ErrorCode.NOT_FOUND, "no such option", details={"path": path})
        if option.deleted:
            raise FinalError(ErrorCode.TARGET_GONE, details={"path": path})
    return wanted


def _ranking(step: Step, order: list[str] | None) -> list[str]:
    """Return the ranking of the live criteria; it is empty if the sender made none."""
    if order is None:
        return []
    live = sorted(criterion.id for criterion in step.state.live_items("criterion"))
    if sorted(order) != live:
        raise _wrong("criterion_order", "rank each criterion once")
    return order


def _wrong(path: str, message: str) -> FinalError:
    return FinalError(ErrorCode.BAD_REQUEST, message, details={"path": path})


def _same(standing: Ballot, sent: Ballot, method: BallotMethod) -> bool:
    """Whether ``sent`` says what ``standing`` says. The options of an approval ballot are a set."""
    same = replace(sent, revision=standing.revision, seq=standing.seq)
    if method == "approval" and sorted(standing.chosen) == sorted(sent.chosen):
        same = replace(same, options=standing.options, option_id=standing.option_id)
    return same == standing


def clear(step: Step, command: c.BallotClear) -> Outcome:
    """Withdraw the actor's ballot."""
    ballot = step.state.ballot(step.user)
    if ballot is None:
        return Outcome({}, applied=False)
    drop(step, ballot)
    return Outcome({})


def drop(step: Step, ballot: Ballot) -> None:
    """Drop ``ballot``; its member's next one gets another revision than it had."""
    step.drop("ballots", ballot.user_id)
    step.change_event(ballots=step.event.ballots - 1)
    owner = step.state.membership(ballot.user_id)
    if owner is not None and step.limits.rules >= KEPT_REVISION_RULES:
        step.put(replace(owner, ballot_revision=ballot.revision or 1))


def drop_ballots_of_others(step: Step) -> None:
    """Drop the ballots of users who have no vote now: they went while the event was finished."""
    ballots = step.state.all_ballots()
    step.state.require_memberships([ballot.user_id for ballot in ballots])
    for ballot in ballots:
        owner = step.state.membership(ballot.user_id)
        if owner is None or owner.status != "accepted" or not owner.has_vote:
            drop(step, ballot)
