"""The bus between nodes of one process: for a single server, and for tests."""

from __future__ import annotations

import asyncio
import uuid

from server.bus.port import BusMessage, Listener, Reader, Writer


class MemoryBus:
    """One node on a bus within the process; a single node has no peers."""

    is_up = True
    trouble = None
    heartbeat_age_s = 0.0
    dropped = 0
    refused = 0

    def __init__(self, others: set[MemoryBus] | None = None) -> None:
        self.node = uuid.uuid4().hex
        self.sent = self.received = 0
        self._others = others if others is not None else set()
        self._watched: set[str] = set()
        self._listener: Listener | None = None
        self._readers: dict[str, Reader] = {}
        self._posted: dict[str, Writer] = {}

    def use_key(self, key: bytes) -> None:
        """Do nothing: nobody else has a way to this bus."""

    def is_shared(self, event: str) -> bool:
        """Whether another node subscribes to ``event``."""
        return any(event in other._watched for other in self._others if other is not self)

    async def start(self, listener: Listener) -> None:
        """Join the bus."""
        self._listener = listener
        self._others.add(self)

    async def stop(self) -> None:
        """Leave the bus."""
        self._others.discard(self)
        self._listener = None

    def publish(self, message: BusMessage) -> None:
        """Deliver ``message`` to the other nodes that subscribe to its event."""
        self.sent += 1
        for other in tuple(self._others):
            if other is not self:
                other.on_message(message)

    def on_message(self, message: BusMessage) -> None:
        """Receive another node's message."""
        if self._listener is not None and message.event in self._watched:
            self.received += 1
            self._listener(message)

    def subscribe(self, event: str) -> None:
        """Receive the messages about ``event`` from now on."""
        self._watched.add(event)

    def unsubscribe(self, event: str) -> None:
        """Stop receiving messages about ``event``."""
        self._watched.discard(event)

    def listen(self, channel: str, reader: Reader) -> None:
        """Receive the letters to ``channel`` from now on."""
        self._readers[channel] = reader
        asyncio.get_running_loop().call_soon(reader, None)

    def post(self, channel: str, writer: Writer) -> None:
        """Send a letter to ``channel``, with the loop's next turn."""
        if channel not in self._posted:
            asyncio.get_running_loop().call_soon(self._deliver, channel)
        self._posted[channel] = writer

    def _deliver(self, channel: str) -> None:
        text = self._posted.pop(channel)()
        if text is None:
            return
        self.sent += 1
        for other in tuple(self._others):
            if other is not self and (reader := other._readers.get(channel)) is not None:
                other.received += 1
                reader(text)
