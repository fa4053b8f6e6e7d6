"""What a recorded run of one event consists of, and how an alarm about it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]


class Violation(NamedTuple):
    """A promise that the history breaks; ``invariant`` by the number it has in the design."""

    invariant: int
    seq: int | None
    what: str

    def __str__(self) -> str:
        return f"invariant {self.invariant}, seq {self.seq}: {self.what}"


@dataclass
class Operation:
    """One sending of one command, and its answer if one came. Times are of one monotonic clock."""

    user: str
    socket: str
    command: Json
    sent_at: float
    answer: Json | None = None
    answered_at: float | None = None


@dataclass
class Stream:
    """What one connection heard of the room, in order."""

    user: str
    socket: str
    messages: list[Json] = field(default_factory=list)
    """``snapshot``, ``resumed``, ``diff``, ``you`` and ``unsubscribed`` of this event."""
    heard_at: list[float] = field(default_factory=list)
    """When each was heard, on the clock of the operations; may be left empty."""
    live: bool = False
    """Whether it was still subscribed at the end, and so has to have reached the top."""


@dataclass
class History:
    """All of one event: what clients sent and heard, and what the database holds at the end."""

    operations: list[Operation]
    streams: list[Stream]
    rows: list[Json]
    """The journal: user, id, seq, command, payload, answer, patches, at, prev_hash, hash, salt.
    Refusals have no ``seq``."""
    final: Mapping[str, Json] = field(default_factory=dict)
    """The state documents at the end, by audience."""
    names: Mapping[str, str] = field(default_factory=dict)
    """User → name, for those whom no room ever shows; else their id is taken."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Limits of the server that differ from ``tests.model.rows.LIMITS``."""
    set_back: int = 0
    """How often the clock of the database's machine was set to an earlier time meanwhile."""
