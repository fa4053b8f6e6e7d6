"""Start and finish an event, by an admin or by its schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UnsetType

from handlers.rules.resolution import close
from handlers.rules.results import count
from handlers.rules.transitions import event_transition
from handlers.step import Outcome, Step
from persistence.event.records import Event
from protocol.errors import ErrorCode, FinalError
from protocol.state import EventStatus

#: The latest moment of a schedule; a later one is `bad_request`. PostgreSQL and Python know no
#: later year, and a moment in another zone must still fit.
LATEST = datetime(9999, 12, 31, tzinfo=UTC)


def lead(step: Step, act: str, **changes: Any) -> Outcome:
    """Bring the event to the status that ``act`` leads to, if it does not have it already."""
    reached: EventStatus | None = event_transition(act, step.event.status)
    if reached is None:
        return Outcome({"status": step.event.status}, applied=False)
    step.change_event(status=reached, **changes)
    return Outcome({"status": reached})


def finish(step: Step) -> Outcome:
    """Finish the event: close pending proposals, and put the result into the same step."""
    outcome = lead(step, "finish", finished_at=step.now)
    if outcome.applied:
        for proposal in step.state.pending_proposals():
            close(step, proposal, status="deleted", resolution="event_finished")
        step.change_event(results=count(step.state))
    return outcome


def is_over(event: Event, now: datetime) -> bool:
    """Whether the end of the event's schedule has come."""
    return event.ends_at is not None and now >= event.ends_at


def later(moment: datetime, length: timedelta) -> datetime:
    """Return ``moment`` moved by ``length``, at most to ``LATEST``."""
    return LATEST if length > LATEST - moment else moment + length


def end_after_pause(event: Event, now: datetime) -> datetime | None:
    """Return when the event ends if it is resumed ``now``.

    An end that was set before the pause, and lay ahead, moves by the pause's length. One that was
    set during the pause stands.
    """
    ends_at, paused_at, set_at = event.ends_at, event.paused_at, event.ends_set_at
    if ends_at is None or paused_at is None or ends_at <= paused_at:
        return ends_at
    if set_at is not None and set_at > paused_at:
        return ends_at
    return later(ends_at, now - paused_at)


def scheduled(
    step: Step,
    before: Event | None,
    starts_at: datetime | UnsetType | None,
    ends_at: datetime | UnsetType | None,
) -> dict[str, Any]:
    """Return the changes of the event's row for these times; ``UNSET`` ones stay.

    Raises ``bad_request`` for a time in the past and for an end before the start, and
    ``invalid_transition`` for a start of an event that has started.
    """
    times = {"starts_at": starts_at, "ends_at": ends_at}
    old = {name: getattr(before, name) if before is not None else None for name in times}
    changes: dict[str, Any] = {}
    for name, moment in times.items():
        if isinstance(moment, UnsetType) or moment == old[name]:
            continue
        if name == "starts_at" and before is not None and before.status != "not_started":
            raise FinalError(
                ErrorCode.INVALID_TRANSITION,
                "the event has started",
                details={"path": name, "status": before.status},
            )
        changes[name] = _ahead(step, name, moment)
    start, end = (changes.get(name, old[name]) for name in times)
    if changes and start is not None and end is not None and end <= start:
        path = "ends_at" if "ends_at" in changes else "starts_at"
        raise _refused(path, "an event ends after it starts")
    if changes.get("ends_at") is not None:
        changes["ends_set_at"] = step.now
    return changes


def _ahead(step: Step, path: str, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment <= step.now:
        raise _refused(path, "this moment is past")
    if moment > LATEST:
        raise _refused(path, "this moment is too far away")
    return moment.astimezone(UTC)


def _refused(path: str, message: str) -> FinalError:
    return FinalError(ErrorCode.BAD_REQUEST, message, details={"path": path})
