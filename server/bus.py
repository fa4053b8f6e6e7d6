"""What one node tells the others: that an event has moved.

A message is a hint and nothing more: *this event stands at this position now*. Whoever has a room
of it reads what is new from the journal. So a message that is lost, repeated, late or forged can
do no harm: nothing of it is ever told to a client. The rooms' sweep finds what no hint told of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

#: Hears of an event that may have moved.
Listener = Callable[["Hint"], None]


class Hint(NamedTuple):
    """An event may stand at ``seq`` of ``epoch``; an empty epoch: look, something may be missed."""

    event: str
    epoch: str = ""
    seq: int = 0


class Bus(Protocol):
    """Carries hints between nodes; no call waits or raises."""

    async def start(self, listener: Listener) -> None:
        """Begin to listen; ``listener`` must not raise."""

    async def stop(self) -> None:
        """End; what is still waiting to be told may be lost."""

    def tell(self, hint: Hint) -> None:
        """Tell the other nodes; only the newest hint of an event matters."""

    def watch(self, event: str) -> None:
        """Hear hints of ``event`` from now on."""

    def unwatch(self, event: str) -> None:
        """Hear no more of ``event``."""


class MemoryBus:
    """Nodes within one process; with one node, nobody to tell."""

    def __init__(self, others: set[MemoryBus] | None = None) -> None:
        self._others = others if others is not None else set()
        self._watched: set[str] = set()
        self._listener: Listener | None = None

    async def start(self, listener: Listener) -> None:
        """Join the other nodes."""
        self._listener = listener
        self._others.add(self)

    async def stop(self) -> None:
        """Leave them."""
        self._others.discard(self)
        self._listener = None

    def tell(self, hint: Hint) -> None:
        """Tell those who watch."""
        for other in tuple(self._others):
            if other is not self:
                other.hear(hint)

    def hear(self, hint: Hint) -> None:
        """Take a hint of another node."""
        if self._listener is not None and hint.event in self._watched:
            self._listener(hint)

    def watch(self, event: str) -> None:
        """Hear of ``event``."""
        self._watched.add(event)

    def unwatch(self, event: str) -> None:
        """Hear no more of it."""
        self._watched.discard(event)
