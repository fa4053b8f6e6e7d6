"""``event.*``: create an event, change its status, set its rules."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from handlers.commands.ballots import drop_ballots_of_others
from handlers.commands.items import make_item, make_option
from handlers.rules import schedule
from handlers.rules.resolution import evaluate_all
from handlers.step import Outcome, Step
from persistence.event.limits import FIXED_BALLOT_RULES
from persistence.event.records import EntranceCode, Event, Membership
from protocol import commands as c
from protocol.errors import ErrorCode, FinalError, RetryableError
from protocol.policy import Policy, merge_policy

#: Draws of an entrance code before the step fails. There are 31^6 codes: with a million events, one
#: draw in 900 is taken, so sixteen in a row never are.
MAX_CODE_DRAWS = 16


def create(step: Step, command: c.EventCreate) -> Outcome:
    """Create an event with its options and items; its creator leads it.

    Raises ``version_conflict`` if the entrance code is taken.
    """
    if command.entrance_code is not None:
        if step.state.owner_of_code(command.entrance_code) is not None:
            raise FinalError(
                ErrorCode.VERSION_CONFLICT,
                "this entrance code is taken",
                details={"path": "entrance_code"},
            )
        code = command.entrance_code
    else:
        code = _free_code(step)
    step.make_event(
        Event(
            id=step.state.id,
            subject=command.subject,
            entrance_code=code,
            status="not_started",
            max_members=command.max_members,
            policy=_merged(Policy(), command),
            policy_version=1,
            criteria_rev=1,
            created_by=step.user,
            created_at=step.now,
            epoch=step.entropy[8:16].hex(),
            members=1 if command.creator_role == "admin" else 0,
            admins=1,
            organisers=1 if command.creator_role == "organiser" else 0,
            joins=1,
            limits=step.to_record(),
            **schedule.scheduled(step, None, command.starts_at, command.ends_at),
        )
    )
    if step.limits.rules >= 3:
        step.change_event(requests=0, requests_made=0)
    if step.limits.rules >= FIXED_BALLOT_RULES:
        step.change_event(invitations=0)
    step.put(EntranceCode(code=code, event_id=step.state.id))
    step.put(
        Membership(
            user_id=step.user,
            name=step.actor.name,
            status="accepted",
            role=command.creator_role,
            requested_at=step.now,
            joined_at=step.now,
            joined_no=1,
        )
    )
    for content in command.options:
        make_option(step, content)
    for content in command.assumptions:
        make_item(step, "assumption", content)
    for content in command.criteria:
        make_item(step, "criterion", content)
    return Outcome({"event": step.state.id, "entrance_code": code})


def _free_code(step: Step) -> str:
    """Return a code that opens no event and never did."""
    for draw in range(MAX_CODE_DRAWS):
        code = step.draw_code(draw)
        if step.state.owner_of_code(code) is None:
            return code
    raise RuntimeError("no free entrance code")


def _merged(policy: Policy, command: c.EventCreate | c.EventSetPolicy) -> Policy:
    """Return the new policy; a patch that is invalid only with the old one is a final error."""
    try:
        return merge_policy(policy, command.policy)
    except RetryableError as err:
        raise FinalError(err.code, err.message, details=err.details) from None


def update(step: Step, command: c.EventUpdate) -> Outcome:
    """Change the subject, the schedule, or ``max_members`` (at least the members there are).

    Raises ``invalid_transition`` for a subject after the start, and ``limit_reached``.
    """
    event = step.event
    changes: dict[str, Any] = {}
    if command.subject is not None and command.subject != event.subject:
        if event.status != "not_started":
            raise FinalError(
                ErrorCode.INVALID_TRANSITION,
                "the subject stands once the event has started",
                details={"path": "subject", "status": event.status},
            )
        changes["subject"] = command.subject
    if command.max_members is not None and command.max_members != event.max_members:
        if command.max_members < event.accepted:
            raise FinalError(
                ErrorCode.LIMIT_REACHED,
                "there are more members than that",
                details={"path": "max_members", "current": event.accepted},
            )
        changes["max_members"] = command.max_members
    changes |= schedule.scheduled(step, event, command.starts_at, command.ends_at)
    if changes:
        step.change_event(**changes)
    return Outcome({}, applied=bool(changes))


def set_policy(step: Step, command: c.EventSetPolicy) -> Outcome:
    """Change the policy, and accept what passes by the new one. Nothing is un-accepted.

    Raises ``version_conflict``; ``invalid_transition`` for other ballot rules once there are
    ballots.
    """
    event = step.event
    if command.policy_version != event.policy_version:
        raise FinalError(
            ErrorCode.VERSION_CONFLICT,
            details={"path": "policy_version", "current": event.policy_version},
        )
    policy = _merged(event.policy, command)
    if policy == event.policy:
        return Outcome({"policy_version": event.policy_version, "accepted": []}, applied=False)
    if policy.final_ballot != event.policy.final_ballot and _has_ballots(step):
        raise FinalError(
            ErrorCode.INVALID_TRANSITION,
            "the ballot's method stands once a ballot was submitted",
            details={"path": "policy.ballot", "status": event.status},
        )
    step.change_event(policy=policy, policy_version=event.policy_version + 1)
    accepted = evaluate_all(step)
    return Outcome({"policy_version": event.policy_version + 1, "accepted": accepted})


def _has_ballots(step: Step) -> bool:
    """Whether a ballot was ever submitted, or may have been under rules that did not note it."""
    if step.limits.rules < FIXED_BALLOT_RULES:
        return step.event.status != "not_started"
    return step.event.ballot_fixed or step.event.ballots > 0


def rotate_code(step: Step, command: c.EventRotateCode) -> Outcome:
    """Replace the entrance code; the old one no longer lets anybody join."""
    code = _free_code(step)
    step.put(EntranceCode(code=code, event_id=step.event.id))
    step.change_event(entrance_code=code)
    return Outcome({"entrance_code": code})


def start(step: Step, command: c.EventStart) -> Outcome:
    """Start the event, unless its end has passed: it would be finished at once.

    Raises ``invalid_transition`` in that case.
    """
    if step.event.status == "not_started" and schedule.is_over(step.event, step.now):
        raise FinalError(
            ErrorCode.INVALID_TRANSITION,
            "the end of this event has passed",
            details={"path": "ends_at", "status": step.event.status},
        )
    return schedule.lead(step, "start")


def pause(step: Step, command: c.EventPause) -> Outcome:
    """Pause the event; its end and the deadlines of proposals stop."""
    return schedule.lead(step, "pause", paused_at=step.now)


def resume(step: Step, command: c.EventResume) -> Outcome:
    """Resume the event; deadlines that lay ahead at the pause move by its length."""
    paused_at = step.event.paused_at
    ends_at = schedule.end_after_pause(step.event, step.now)
    outcome = schedule.lead(step, "resume")
    if outcome.applied and paused_at is not None:
        step.change_event(paused_at=None, ends_at=ends_at)
        length = step.now - paused_at
        for proposal in step.state.pending_proposals():
            shifted = {
                field: moment + length
                for field in ("opens_at", "expires_at")
                if (moment := getattr(proposal, field)) is not None and moment > paused_at
            }
            if shifted:
                step.put(replace(proposal, **shifted))
        evaluate_all(step)
    return outcome


def finish(step: Step, command: c.EventFinish) -> Outcome:
    """Finish the event: close pending proposals, and count the ballots."""
    return schedule.finish(step)


def reopen(step: Step, command: c.EventReopen) -> Outcome:
    """Continue a finished event. Results go, and the ballots of those who went meanwhile."""
    event = step.event
    changes: dict[str, Any] = {"finished_at": None, "paused_at": None, "results": None}
    if schedule.is_over(event, step.now):
        # Otherwise it would end again at once.
        changes |= {"ends_at": None, "ends_set_at": None}
    outcome = schedule.lead(step, "reopen", **changes)
    if outcome.applied and event.ballots:
        drop_ballots_of_others(step)
    return outcome
