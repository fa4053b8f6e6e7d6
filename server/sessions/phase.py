"""The phases of a session; ``server/sessions/session.py`` draws how they follow each other."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """The phase that a session is in."""

    HELLO = "hello"
    GREETING = "greeting"
    OPEN = "open"
    CLOSED = "closed"
