"""Counters of sockets, rooms and refusals."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal, TypeAlias, get_args

from persistence.database.histogram import Histogram

Hello: TypeAlias = Literal[
    "welcomed",
    "bad_token",
    "expired",
    "early",
    "revoked",
    "too_many_connections",
    "overloaded",
    "late",
    "violation",
]
"""How a handshake ended."""
Budget: TypeAlias = Literal[
    "connections",
    "reconnects",
    "socket_messages",
    "socket_inflight",
    "socket_requests",
    "subscriptions",
    "strangers",
]
"""A budget whose refusals are counted here; other parts count their own."""
FillCause: TypeAlias = Literal["load", "hint", "sweep", "gap", "catch_up", "resync", "again"]
"""Why a room read the journal."""
ReceivedSteps: TypeAlias = Literal["taken", "known", "gap", "epoch", "hash", "unreadable"]
"""How a room dealt with steps of another node: taken, or why not."""
SnapshotReason: TypeAlias = Literal["initial", "role", "lag", "gap", "epoch", "ahead"]

HELLOS: Final[tuple[Hello, ...]] = get_args(Hello)
BUDGETS: Final[tuple[Budget, ...]] = get_args(Budget)
FILL_CAUSES: Final[tuple[FillCause, ...]] = get_args(FillCause)
RECEIVED_STEPS: Final[tuple[ReceivedSteps, ...]] = get_args(ReceivedSteps)
SNAPSHOT_REASONS: Final[tuple[SnapshotReason, ...]] = get_args(SnapshotReason)


class Counters:
    """Counters of one node since its start."""

    def __init__(self) -> None:
        self.sockets_opened = 0
        """Upgrades that were accepted, even to refuse them with a close code."""
        self.sockets_closed: Counter[int] = Counter()
        """Sockets that were closed, by close code."""
        self.streams_opened = 0
        self.streams_closed = 0
        self.hellos: Counter[tuple[bool, Hello]] = Counter()
        """Ends of handshakes; the first part: the client had rooms to resume."""
        self.errors: Counter[str] = Counter()
        """Errors sent to clients, over sockets and HTTP, by code."""
        self.refused: Counter[Budget] = Counter()
        self.resumed = 0
        """Subscriptions that went on from their client's position."""
        self.snapshots: Counter[str] = Counter()
        """Snapshots made for clients, by reason."""
        self.not_resumed = 0
        """The ``snapshots`` for clients that had a position."""
        self.fills: Counter[FillCause] = Counter()
        """Reads of the journal by rooms."""
        self.received_steps: Counter[ReceivedSteps] = Counter()
        """Messages with steps of another node, by what their room did."""
        self.delivery_seconds = Histogram()
        """From COMMIT to the write to the last socket of a room that could take it and expected no
        answer.
        """
