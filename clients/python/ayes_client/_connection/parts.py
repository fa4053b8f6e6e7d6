"""What a client and its sockets, one after another, have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ayes_client._connection.tokens import Tokens
from ayes_client._pending.flight import Flight
from ayes_client._pending.questions import Questions
from ayes_client._rooms.callbacks import Callbacks
from ayes_client._rooms.room import Room
from ayes_client._wire.backoff import Backoff
from ayes_client.limits import Limits


@dataclass(slots=True, kw_only=True)
class Parts:
    """Put together by ``Client``, used by each ``Session``.

    ``url``: the socket's. ``client``: what ``hello`` calls this client. ``answer_timeout`` in
    seconds.
    """

    url: str
    client: dict[str, str]
    tokens: Tokens
    flight: Flight
    questions: Questions
    callbacks: Callbacks
    new_backoff: Callable[[], Backoff]
    answer_timeout: float
    most_in_flight: int | None
    rooms: dict[str, Room] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)

    @property
    def in_flight(self) -> int:
        """Commands that may be without an answer at a time."""
        most = self.limits.inflight
        return most if self.most_in_flight is None else min(most, self.most_in_flight)
