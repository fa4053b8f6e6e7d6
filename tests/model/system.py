"""What the machine drives: anything that decides the commands of one event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

Json = dict[str, Any]


class System(Protocol):
    """Something that decides the commands of one event."""

    def execute(self, user: str, name: str, command: Json) -> Json | None:
        """The ack or error; ``None`` where a timer's question is left unanswered."""

    def state(self, audience: Any) -> Json:
        """The state document of "member", "admin" or "applicant"."""

    def you(self, user: str) -> Json:
        """What is the user's own."""

    def advance(self, seconds: float) -> None:
        """Let time go by."""

    def decided_at(self) -> datetime:
        """When the last command was decided."""

    def own_steps(self) -> Sequence[tuple[Json, datetime, Json]] | None:
        """(command, time, ack) of the server's own steps since this was last asked, in order;
        ``None`` where it has no timers, so that the machine may ask in their place."""
