"""The record of a run of one event, and the form of an alarm about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Json = dict[str, Any]


class Violation(NamedTuple):
    """A promise that the history breaks; ``invariant`` is its number in the design."""

    invariant: int
    seq: int | None
    what: str

    def __str__(self) -> str:
        return f"invariant {self.invariant}, seq {self.seq}: {self.what}"


@dataclass
class Operation:
    """A sending of a command, and its answer if one came; times are of one monotonic clock."""

    user: str
    socket: str
    command: Json
    sent_at: float
    answer: Json | None = None
    answered_at: float | None = None


@dataclass
class Stream:
    """The messages of the room on one connection, in order."""

    user: str
    socket: str
    messages: list[Json] = field(default_factory=list)
    """``snapshot``, ``resumed``, ``diff``, ``you`` and ``unsubscribed`` of this event."""
    heard_at: list[float] = field(default_factory=list)
    """The times of the messages, on the clock of the operations; may be left empty."""
    live: bool = False
    """Whether it was still subscribed at the end, and so must have reached the top."""


@dataclass
class Deletion:
    """A deletion of the event by an operator, on the clock of the operations, and its export."""

    began: float
    ended: float
    """A moment by which it was surely deleted."""
    exported: list[Json]
    """The parsed lines of the export, with its first and its last one."""
    left: list[Violation] = field(default_factory=list)
    """Violations by the rows that are left in the database."""


@dataclass
class History:
    """The record of an event: messages of the clients, and the database's content at the end."""

    operations: list[Operation]
    streams: list[Stream]
    rows: list[Json]
    """The journal: user, id, seq, command, payload, answer, patches, at, prev_hash, hash, salt.
    Refusals have no ``seq``."""
    final: Mapping[str, Json] = field(default_factory=dict)
    """The state documents at the end, by audience."""
    names: Mapping[str, str] = field(default_factory=dict)
    """User → name, for users whom no room ever shows; otherwise their id is taken."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Limits of the server that differ from ``tests.model.rows.LIMITS``."""
    set_back: int = 0
    """How often the database machine's clock was set to an earlier time meanwhile."""
    deletion: Deletion | None = None
    """Then ``rows`` are the journal just before."""
