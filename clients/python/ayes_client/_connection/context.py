"""The parts of a client that its successive connections share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ayes_client._connection.tokens import Tokens
from ayes_client._pending.command_queue import CommandQueue
from ayes_client._pending.queries import Queries
from ayes_client._rooms.callbacks import Callbacks
from ayes_client._rooms.registry import RoomRegistry
from ayes_client._wire.backoff import Backoff
from ayes_client._wire.moments import ServerClock
from ayes_client.limits import Limits


@dataclass(slots=True, kw_only=True)
class ClientContext:
    """Made by ``Client``, used by each session.

    ``url``: the socket's. ``client``: the client's name and version for ``hello``.
    ``answer_timeout``: seconds.
    """

    url: str
    client: dict[str, str]
    tokens: Tokens
    commands: CommandQueue
    queries: Queries
    rooms: RoomRegistry
    callbacks: Callbacks
    new_backoff: Callable[[], Backoff]
    answer_timeout: float
    max_in_flight: int | None
    clock: ServerClock
    dead_pings: int = 0
    """Connections in a row that were given up because a ping had no answer."""
    limits: Limits = field(default_factory=Limits)

    @property
    def in_flight(self) -> int:
        """Number of commands that may wait for an answer at a time."""
        allowed = self.limits.inflight
        return allowed if self.max_in_flight is None else min(allowed, self.max_in_flight)
