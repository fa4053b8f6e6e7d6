"""The state machines, one table each, and the functions that apply them."""

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
    "reopen": {"finished": "in_progress"},
}
#: Commands that lead to this status; repeating one changes nothing.
EVENT_REACHES: Final[dict[str, EventStatus]] = {
    "start": "in_progress",
    "pause": "paused",
    "resume": "in_progress",
    "finish": "finished",
    "reopen": "in_progress",
}

#: Act → status it starts from (``None``: no membership) → status it leads to. Asking to join is
#: ``join`` if the policy accepts everyone, and ``ask`` if an admin decides.
MEMBERSHIP: Final[dict[str, dict[MembershipStatus | None, MembershipStatus | None]]] = {
    "join": {None: "accepted", "left": "accepted", "rejected": "accepted", "removed": "pending"},
    "ask": {None: "pending", "left": "pending", "rejected": "pending", "removed": "pending"},
    # A removed member who asked again goes back to ``removed`` instead.
    "cancel": {"pending": None},
    # By an open invitation.
    "invite": dict.fromkeys((None, "pending", "rejected", "left"), "accepted"),
    "approve": {"pending": "accepted"},
    # An admin's decision, like an approval; also for removed users.
    "add": {
        None: "accepted",
        **dict.fromkeys(("pending", "rejected", "left", "removed"), "accepted"),
    },
    "reject": {"pending": "rejected"},
    "leave": {"accepted": "left"},
    "remove": {"accepted": "removed"},
}


def event_transition(act: str, status: EventStatus) -> EventStatus | None:
    """Return the status that ``act`` leads to, or ``None`` if the event has it already.

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
    """Return the status that ``act`` leads to from ``status``; raise ``invalid_transition``."""
    table = MEMBERSHIP[act]
    if status not in table:
        raise FinalError(
            ErrorCode.INVALID_TRANSITION,
            f"cannot {act} a membership that is {status}",
            details={"status": status},
        )
    return table[status]
