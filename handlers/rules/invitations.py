"""Invitations: the user of each, the window that a room shows, and guests."""

from __future__ import annotations

from typing import Final

from handlers.step import Step

#: Prefix of the user ids of guests. No other token can have it.
GUEST_PREFIX: Final = "guest:"
#: Prefix of the user ids of people who came by an invitation. No other token can have it.
INVITED_PREFIX: Final = "invited:"
#: Prefix of an invitation's id.
ID_PREFIX: Final = "i"


def invited_user(invitation: str) -> str:
    """Return the user that the invitation opens: always the same one."""
    return INVITED_PREFIX + invitation.removeprefix(f"{ID_PREFIX}_")


def invitation_of(user: str) -> str | None:
    """Return the invitation of an invited ``user``; ``None`` for any other user."""
    if not user.startswith(INVITED_PREFIX):
        return None
    return f"{ID_PREFIX}_{user.removeprefix(INVITED_PREFIX)}"


def is_reserved(user: str) -> bool:
    """Whether only this server gives tokens to ``user``."""
    return user.startswith((GUEST_PREFIX, INVITED_PREFIX))


def move_floor(step: Step) -> None:
    """Move the window of invitations to the newest ones."""
    event = step.event
    floor = max(event.invitation_floor, (event.invitations or 0) - step.limits.invitations_shown)
    if floor == event.invitation_floor:
        return
    for leaving in step.state.invitations_shown():
        if leaving.number <= floor:
            step.touch(leaving)
    step.change_event(invitation_floor=floor)
