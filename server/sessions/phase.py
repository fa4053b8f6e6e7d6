"""The phases of a socket's session; ``server/sessions/session.py`` has the picture."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """Where a session is in its life."""

    HELLO = "hello"
    GREETING = "greeting"
    OPEN = "open"
    CLOSED = "closed"
