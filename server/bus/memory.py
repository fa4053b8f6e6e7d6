"""Nodes within one process, for one server and for tests."""

from __future__ import annotations

import uuid

from server.bus.port import BusMessage, Listener


class MemoryBus:
    """Nodes within one process; with one node, nobody to tell."""

    is_up = True

    def __init__(self, others: set[MemoryBus] | None = None) -> None:
        self.node = uuid.uuid4().hex
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

    def publish(self, message: BusMessage) -> None:
        """Tell those who watch."""
        for other in tuple(self._others):
            if other is not self:
                other.on_message(message)

    def on_message(self, message: BusMessage) -> None:
        """Take what another node message."""
        if self._listener is not None and message.event in self._watched:
            self._listener(message)

    def subscribe(self, event: str) -> None:
        """Hear of ``event``."""
        self._watched.add(event)

    def unsubscribe(self, event: str) -> None:
        """Hear no more of it."""
        self._watched.discard(event)
