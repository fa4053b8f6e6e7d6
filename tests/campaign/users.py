"""The users of a campaign's event: its admin, its members, and strangers."""

from __future__ import annotations

from tests.campaign.plan import USERS

#: Users who never join the events from ``STRANGE_FROM`` on: strangers there.
STRANGERS = 4
STRANGE_FROM = 3


def user_of(number: int) -> str:
    """A user's id."""
    return f"user-{number:02d}"


def maker_of(event: int) -> str:
    """The user who makes an event, and stays its admin."""
    return user_of(event)


def is_stranger(user: str, event: int) -> bool:
    """Whether ``user`` never joins ``event``."""
    return event >= STRANGE_FROM and int(user[-2:]) >= USERS - STRANGERS
