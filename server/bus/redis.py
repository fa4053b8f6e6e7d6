"""The bus over Redis pub/sub: one channel per event, on one server or sharded over a cluster.

A channel's name has the deployment's id, since Redis does not separate channels by the number of
a database: production and staging on one Redis would receive each other's messages.
"""

from __future__ import annotations

import uuid
from typing import Protocol

import msgspec

from server.bus.cluster import Cluster
from server.bus.connection import RedisConnection
from server.bus.port import (
    FINGERPRINT_BYTES,
    MAX_FINGERPRINTS,
    BusMessage,
    Listener,
    PositionHint,
    PresenceReport,
)
from server.bus.seal import Seal
from server.config.redis_url import is_cluster

#: Bytes of a message; a longer one is ignored. Fingerprints in base64, and less than 200 for the
#: rest.
MAX_MESSAGE_BYTES = MAX_FINGERPRINTS * FINGERPRINT_BYTES * 4 // 3 + 1_024
#: Members that one node can report; a message with more is forged, and ignored.
MAX_ONLINE = 1_000_000


def channel_of(deployment: str, event: str) -> str:
    """Return the name of an event's channel."""
    return f"ayes:{deployment}:event:{event}"


class _WireHint(msgspec.Struct, tag_field="kind", tag="hint"):
    """A ``PositionHint`` on the wire; the channel says of which event."""

    node: str
    epoch: str
    seq: int


class _WireReport(msgspec.Struct, tag_field="kind", tag="headcount"):
    """A ``PresenceReport`` on the wire."""

    node: str
    online: int
    marks: bytes | None = None
    asks: bool = False


_decoder = msgspec.json.Decoder(_WireHint | _WireReport)


class _Servers(Protocol):
    """One server, or a cluster of them."""

    @property
    def is_up(self) -> bool: ...
    @property
    def heartbeat_age_s(self) -> float: ...
    @property
    def dropped(self) -> int: ...
    def start(self) -> None: ...
    async def stop(self) -> None: ...
    def send(self, channel: str, kind: str, data: bytes) -> None: ...
    def subscribe(self, channel: str) -> None: ...
    def unsubscribe(self, channel: str) -> None: ...


class RedisBus:
    """One node on the bus of one deployment."""

    def __init__(self, url: str, deployment: str) -> None:
        self.node = uuid.uuid4().hex
        self.seal = Seal()
        self._prefix = channel_of(deployment, "")
        self._servers: _Servers = (
            Cluster(url, self._on_message)
            if is_cluster(url)
            else RedisConnection(url, self._on_message)
        )
        self.sent = self.received = 0
        self._watched: set[str] = set()
        self._listener: Listener | None = None

    @property
    def is_up(self) -> bool:
        """Whether Redis, or every shard of it, answers; for the metrics."""
        return self._servers.is_up

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since every connection had answered a heartbeat."""
        return self._servers.heartbeat_age_s

    @property
    def dropped(self) -> int:
        """Messages that were dropped: too many waited, or a shard was not known."""
        return self._servers.dropped

    def use_key(self, key: bytes) -> None:
        """Seal messages with the nodes' shared key."""
        self.seal.use(key)

    async def start(self, listener: Listener) -> None:
        """Connect in the background; Redis need not be up yet."""
        self._listener = listener
        self._servers.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._servers.stop()

    def publish(self, shared: BusMessage) -> None:
        """Send to the other nodes, soon."""
        self.sent += 1
        message: _WireHint | _WireReport
        if isinstance(shared, PositionHint):
            message = _WireHint(self.node, shared.epoch, shared.seq)
        else:
            marks = None if shared.fingerprints is None else b"".join(shared.fingerprints)
            message = _WireReport(self.node, shared.online, marks, shared.is_request)
        kind = type(shared).__name__
        self._servers.send(self._prefix + shared.event, kind, msgspec.json.encode(message))

    def subscribe(self, event: str) -> None:
        """Receive the messages about ``event``, soon."""
        self._watched.add(event)
        self._servers.subscribe(self._prefix + event)

    def unsubscribe(self, event: str) -> None:
        """Stop receiving messages about ``event``."""
        self._watched.discard(event)
        self._servers.unsubscribe(self._prefix + event)

    def _on_message(self, channel: str, data: bytes | None) -> None:
        event = channel.removeprefix(self._prefix)
        if event not in self._watched or self._listener is None:
            return
        shared = PositionHint(event) if data is None else self._read(event, data)
        if shared is not None:
            self.received += data is not None
            self._listener(shared)

    def _read(self, event: str, data: bytes) -> BusMessage | None:
        """Decode a message; return ``None`` for this node's own, and for an invalid one."""
        if len(data) > MAX_MESSAGE_BYTES:
            return None
        try:
            message = _decoder.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return None
        if message.node == self.node:
            return None
        if isinstance(message, _WireHint):
            return PositionHint(event, message.epoch, message.seq)
        return _headcount(event, message)


def _headcount(event: str, message: _WireReport) -> PresenceReport | None:
    if not 0 <= message.online <= MAX_ONLINE:
        return None
    if message.marks is None:
        return PresenceReport(event, message.node, message.online, None, message.asks)
    whole = range(0, len(message.marks), FINGERPRINT_BYTES)
    marks = frozenset(message.marks[at : at + FINGERPRINT_BYTES] for at in whole)
    if len(message.marks) != message.online * FINGERPRINT_BYTES or len(marks) != message.online:
        return None
    return PresenceReport(event, message.node, message.online, marks, message.asks)
