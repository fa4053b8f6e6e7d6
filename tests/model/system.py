"""The interface that the generator drives: anything that decides the commands of one event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

Json = dict[str, Any]


class System(Protocol):
    """Something that decides the commands of one event."""

    def execute(self, user: str, name: str, command: Json) -> Json | None:
        """Return the ack or error; ``None`` if a timer's question is left unanswered."""

    def state(self, audience: Any) -> Json:
        """The state document of "member", "admin" or "applicant"."""

    def you(self, user: str) -> Json:
        """The data of ``user`` alone."""

    def advance(self, seconds: float) -> None:
        """Let time pass."""

    def decided_at(self) -> datetime:
        """The time of the last decision."""

    def own_steps(self) -> Sequence[tuple[Json, datetime, Json]] | None:
        """(command, time, ack) of the server's own steps since this was last asked, in order;
        ``None`` where it has no timers, so that the machine may ask in their place."""
