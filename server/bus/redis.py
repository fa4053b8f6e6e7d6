"""The bus over Redis pub/sub: one channel per event and per node, sharded over a cluster or not.

A channel's name has the deployment's id, since Redis does not separate channels by the number of
a database: production and staging on one Redis would receive each other's messages.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from typing import Protocol

import msgspec

from server.bus.cluster import Cluster
from server.bus.connection import RedisConnection
from server.bus.port import (
    FINGERPRINT_BYTES,
    MAX_FINGERPRINTS,
    MAX_STEPS_BYTES,
    BusMessage,
    Listener,
    PositionHint,
    PresenceReport,
    Reader,
    Writer,
)
from server.bus.seal import SEAL_BYTES, Seal
from server.bus.trouble import BusTrouble
from server.config.redis_url import is_cluster

#: Bytes of a message that nodes of older versions read; they ignore a longer one. After it a hint
#: without steps is sent, so that they need not wait for their sweep.
MAX_PLAIN_BYTES = MAX_FINGERPRINTS * FINGERPRINT_BYTES * 4 // 3 + 1_024
#: Bytes of a message; a longer one is ignored. Sealed steps in base64, and less than 1,024 for the
#: rest.
MAX_MESSAGE_BYTES = (MAX_STEPS_BYTES + SEAL_BYTES) * 4 // 3 + 1_024
#: Events that are remembered as shared with other nodes; beyond that the one least recently
#: published is forgotten, and its next step read from the journal once.
MAX_SHARED_EVENTS = 20_000
#: The use for which steps are sealed.
SEALED_STEPS = "steps"
#: Bytes of a letter's text; a longer one is ignored. A letter is written shorter unless one command
#: alone is longer: the greatest ``AYES_MESSAGE_BYTES``, and as much again.
MAX_LETTER_BYTES = 2 * 1_048_576
#: Kind of use that letters are sealed for.
LETTER = "letter"
#: Members that one node can report; a message with more is forged, and ignored.
MAX_ONLINE = 1_000_000


def channel_of(deployment: str, event: str) -> str:
    """Return the name of an event's channel."""
    return f"ayes:{deployment}:event:{event}"


def letters_channel_of(deployment: str, channel: str) -> str:
    """Return the name of a channel of letters."""
    return f"ayes:{deployment}:letters:{channel}"


class _WireHint(msgspec.Struct, tag_field="kind", tag="hint", omit_defaults=True):
    """A ``PositionHint`` on the wire; the channel says of which event."""

    node: str
    epoch: str
    seq: int
    steps: bytes | None = None
    """Sealed. Nodes of older versions do not look at it."""


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
    def trouble(self) -> BusTrouble | None: ...
    @property
    def heartbeat_age_s(self) -> float: ...
    @property
    def dropped(self) -> int: ...
    def start(self) -> None: ...
    async def stop(self) -> None: ...
    def send(self, channel: str, kind: str, data: bytes | Writer) -> None: ...
    def is_congested(self, channel: str) -> bool: ...
    def subscribe(self, channel: str) -> None: ...
    def unsubscribe(self, channel: str) -> None: ...


class RedisBus:
    """One node on the bus of one deployment."""

    def __init__(self, url: str, deployment: str) -> None:
        self.node = uuid.uuid4().hex
        self.seal = Seal()
        self._prefix = channel_of(deployment, "")
        self._letters = letters_channel_of(deployment, "")
        self._servers: _Servers = (
            Cluster(url, self._on_message, on_published=self._on_published)
            if is_cluster(url)
            else RedisConnection(url, self._on_message, on_published=self._on_published)
        )
        self.sent = self.received = self.refused = 0
        self._watched: set[str] = set()
        self._shared: OrderedDict[str, None] = OrderedDict()
        """Events whose last message reached another node."""
        # Redis sends a node its own messages too. They begin so, and need not be decoded.
        self._own = tuple(
            f'{{"kind":"{kind}","node":"{self.node}"'.encode() for kind in ("hint", "headcount")
        )
        self._listener: Listener | None = None
        self._readers: dict[str, Reader] = {}

    @property
    def is_up(self) -> bool:
        """Whether Redis, or every shard of it, answers; for the metrics."""
        return self._servers.is_up

    @property
    def trouble(self) -> BusTrouble | None:
        """Why Redis, or a shard of it, does not answer."""
        return self._servers.trouble

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
        kind, channel = type(shared).__name__, self._prefix + shared.event
        if isinstance(shared, PositionHint):
            if shared.steps and self.seal.is_ready:
                sealed = self.seal.seal(SEALED_STEPS, shared.event, shared.steps)
                full = _WireHint(self.node, shared.epoch, shared.seq, sealed)
                data = msgspec.json.encode(full)
                self._servers.send(channel, f"{kind} {shared.seq}", data)
                if len(data) <= MAX_PLAIN_BYTES:
                    return
            hint = _WireHint(self.node, shared.epoch, shared.seq)
            self._servers.send(channel, kind, msgspec.json.encode(hint))
        else:
            marks = None if shared.fingerprints is None else b"".join(shared.fingerprints)
            report = _WireReport(self.node, shared.online, marks, shared.is_request)
            self._servers.send(channel, kind, msgspec.json.encode(report))

    def is_shared(self, event: str) -> bool:
        """Whether the last message about ``event`` reached another node, and not too much waits."""
        return event in self._shared and not self._servers.is_congested(self._prefix + event)

    def subscribe(self, event: str) -> None:
        """Receive the messages about ``event``, soon."""
        self._watched.add(event)
        self._servers.subscribe(self._prefix + event)

    def unsubscribe(self, event: str) -> None:
        """Stop receiving messages about ``event``."""
        self._watched.discard(event)
        self._servers.unsubscribe(self._prefix + event)

    def listen(self, channel: str, reader: Reader) -> None:
        """Receive the letters to ``channel``, soon."""
        self._readers[channel] = reader
        self._servers.subscribe(self._letters + channel)

    def post(self, channel: str, writer: Writer) -> None:
        """Send a letter to ``channel``, with the next round trip."""

        def sealed() -> bytes | None:
            text = writer()
            if text is None or not self.seal.is_ready:
                return None
            self.sent += 1
            return self.seal.seal(LETTER, channel, text)

        self._servers.send(self._letters + channel, LETTER, sealed)

    def _read_letter(self, channel: str, data: bytes | None) -> None:
        reader = self._readers.get(channel)
        if reader is None:
            return
        if data is None:
            reader(None)
            return
        if len(data) > MAX_LETTER_BYTES + SEAL_BYTES:
            return
        text = self.seal.open(LETTER, channel, data)
        if text is not None:
            self.received += 1
            reader(text)

    def _on_published(self, channel: str, receivers: int) -> None:
        """Note whether a message reached another node than this one."""
        if not channel.startswith(self._prefix):
            return
        event = channel.removeprefix(self._prefix)
        if receivers > (event in self._watched):
            self._shared[event] = None
            self._shared.move_to_end(event)
            if len(self._shared) > MAX_SHARED_EVENTS:
                self._shared.popitem(last=False)
        else:
            self._shared.pop(event, None)

    def _on_message(self, channel: str, data: bytes | None) -> None:
        if channel.startswith(self._letters):
            self._read_letter(channel.removeprefix(self._letters), data)
            return
        event = channel.removeprefix(self._prefix)
        if event not in self._watched or self._listener is None:
            return
        shared = PositionHint(event) if data is None else self._read(event, data)
        if shared is not None:
            self.received += data is not None
            self._listener(shared)

    def _read(self, event: str, data: bytes) -> BusMessage | None:
        """Decode a message; return ``None`` for this node's own, and for an invalid one."""
        if len(data) > MAX_MESSAGE_BYTES or data.startswith(self._own):
            return None
        try:
            message = _decoder.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return None
        if message.node == self.node:
            return None
        if isinstance(message, _WireHint):
            return PositionHint(event, message.epoch, message.seq, self._opened(event, message))
        return _headcount(event, message)

    def _opened(self, event: str, message: _WireHint) -> bytes:
        """Return the steps that came along; none if no node of this database sealed them."""
        if message.steps is None:
            return b""
        steps = self.seal.open(SEALED_STEPS, event, message.steps)
        self.refused += steps is None
        return steps or b""


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
