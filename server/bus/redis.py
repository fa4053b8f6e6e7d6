"""The bus over Redis pub/sub: a channel a room, on one server or sharded over a cluster."""

from __future__ import annotations

import uuid
from typing import Protocol

import msgspec

from server.bus.cluster import Cluster
from server.bus.connection import Line
from server.bus.port import MARK_BYTES, MAX_MARKS, Headcount, Hint, Listener, Told
from server.config.redis_url import is_cluster

PREFIX = "ayes:event:"
#: Bytes of a message: marks in base64, and less than 200 beside them.
LONGEST_MESSAGE = MAX_MARKS * MARK_BYTES * 4 // 3 + 1_024
#: Members that one node can have connected; more is a lie.
MOST_ONLINE = 1_000_000


class _Hint(msgspec.Struct, tag_field="kind", tag="hint"):
    """A ``Hint`` on the wire; the channel says of which event."""

    node: str
    epoch: str
    seq: int


class _Headcount(msgspec.Struct, tag_field="kind", tag="headcount"):
    """A ``Headcount`` on the wire."""

    node: str
    online: int
    marks: bytes | None = None
    asks: bool = False


_decoder = msgspec.json.Decoder(_Hint | _Headcount)


class _Servers(Protocol):
    """One server, or a cluster of them."""

    @property
    def is_up(self) -> bool: ...
    def start(self) -> None: ...
    async def stop(self) -> None: ...
    def send(self, channel: str, kind: str, data: bytes) -> None: ...
    def watch(self, channel: str) -> None: ...
    def unwatch(self, channel: str) -> None: ...


class RedisBus:
    """One node on the bus."""

    def __init__(self, url: str) -> None:
        self.node = uuid.uuid4().hex
        self._servers: _Servers = (
            Cluster(url, self._hear) if is_cluster(url) else Line(url, self._hear)
        )
        self._watched: set[str] = set()
        self._listener: Listener | None = None

    @property
    def is_up(self) -> bool:
        """Whether Redis, or every shard of it, answers; for the metrics."""
        return self._servers.is_up

    async def start(self, listener: Listener) -> None:
        """Begin; a Redis that is not there yet is waited for in the background."""
        self._listener = listener
        self._servers.start()

    async def stop(self) -> None:
        """End."""
        await self._servers.stop()

    def tell(self, told: Told) -> None:
        """Tell the other nodes, soon."""
        message: _Hint | _Headcount
        if isinstance(told, Hint):
            message = _Hint(self.node, told.epoch, told.seq)
        else:
            marks = None if told.marks is None else b"".join(told.marks)
            message = _Headcount(self.node, told.online, marks, told.asks)
        kind = type(told).__name__
        self._servers.send(PREFIX + told.event, kind, msgspec.json.encode(message))

    def watch(self, event: str) -> None:
        """Hear of ``event``, soon."""
        self._watched.add(event)
        self._servers.watch(PREFIX + event)

    def unwatch(self, event: str) -> None:
        """Hear no more of it."""
        self._watched.discard(event)
        self._servers.unwatch(PREFIX + event)

    def _hear(self, channel: str, data: bytes | None) -> None:
        event = channel.removeprefix(PREFIX)
        if event not in self._watched or self._listener is None:
            return
        told = Hint(event) if data is None else self._read(event, data)
        if told is not None:
            self._listener(told)

    def _read(self, event: str, data: bytes) -> Told | None:
        """What a message says; ``None`` for our own, and for what is none of ours."""
        if len(data) > LONGEST_MESSAGE:
            return None
        try:
            message = _decoder.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return None
        if message.node == self.node:
            return None
        if isinstance(message, _Hint):
            return Hint(event, message.epoch, message.seq)
        return _headcount(event, message)


def _headcount(event: str, message: _Headcount) -> Headcount | None:
    if not 0 <= message.online <= MOST_ONLINE:
        return None
    if message.marks is None:
        return Headcount(event, message.node, message.online, None, message.asks)
    whole = range(0, len(message.marks), MARK_BYTES)
    marks = frozenset(message.marks[at : at + MARK_BYTES] for at in whole)
    if len(message.marks) != message.online * MARK_BYTES or len(marks) != message.online:
        return None
    return Headcount(event, message.node, message.online, marks, message.asks)
