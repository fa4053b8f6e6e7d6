"""The state machines, a table each, and the one function that applies them."""

from __future__ import annotations

from typing import Final

from protocol.errors import ErrorCode, FinalError
from protocol.state import EventStatus, MembershipStatus

#: Command → status it starts from → status it leads to.
EVENT: Final[dict[str, dict[EventStatus, EventStatus]]] = {
    "start": {"not_started": "in_progress"},
    "pause": {"in_progress": "paused"},
    "resume": {"paused": "in_progress"},
    "finish": {"in_progress": "finished", "paused": "finished"},
}
#: Commands that lead to this status, and whose repeat therefore changes nothing.
EVENT_REACHES: Final[dict[str, EventStatus]] = {
    "start": "in_progress",
    "pause": "paused",
    "resume": "in_progress",
    "finish": "finished",
}

#: Act → status it starts from (``None``: no membership) → status it leads to. ``join`` is what
#: asking leads to where a policy lets people in; ``ask`` where a person decides.
MEMBERSHIP: Final[dict[str, dict[MembershipStatus | None, MembershipStatus | None]]] = {
    "join": {None: "accepted", "left": "accepted", "rejected": "accepted", "removed": "pending"},
    "ask": {None: "pending", "left": "pending", "rejected": "pending", "removed": "pending"},
    # Or back to ``removed``, for who asked again after that.
    "cancel": {"pending": None},
    "approve": {"pending": "accepted"},
    "reject": {"pending": "rejected"},
    "leave": {"accepted": "left"},
    "remove": {"accepted": "removed"},
}


def event_transition(act: str, status: EventStatus) -> EventStatus | None:
    """The status ``act`` leads to, or ``None`` where the event is there already.

    Raises ``FinalError``: ``event_finished`` or ``invalid_transition``.
    """
    if status == EVENT_REACHES[act]:
        return None
    if (reached := EVENT[act].get(status)) is not None:
        return reached
    if status == "finished":
        raise FinalError(ErrorCode.EVENT_FINISHED)
    raise FinalError(
        ErrorCode.INVALID_TRANSITION,
        f"cannot {act} an event that is {status}",
        details={"status": status},
    )


def membership_transition(act: str, status: MembershipStatus | None) -> MembershipStatus | None:
    """The status ``act`` leads to from ``status``; raises ``invalid_transition``."""
    table = MEMBERSHIP[act]
    if status not in table:
        raise FinalError(
            ErrorCode.INVALID_TRANSITION,
            f"cannot {act} a membership that is {status}",
            details={"status": status},
        )
    return table[status]
