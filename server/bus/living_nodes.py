"""The living nodes of a deployment, known to each other by beats, and the home of an event.

No lease, no coordinator, no table: a node lives as long as its beats are heard. The home of an
event follows from its id and the names of the living nodes alone (rendezvous hashing): nodes that
hear each other name the same one, and a node that comes or goes moves only its own share of homes.
Two nodes may differ for some seconds. That is why a home is a hint, and never a lock.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from persistence.database.periodic import Periodic
from server.bus.letters import decoded
from server.bus.port import Bus

#: Channel of the beats, which every node hears.
NODES_CHANNEL: Final = "nodes"
#: Seconds between two beats of a node.
BEAT_INTERVAL_S: Final = 1.0
#: Seconds without a beat after which a node counts as gone: three in a row may be lost.
BEAT_TTL_S: Final = 3.5
#: Nodes that are known at once; beats of further ones are ignored.
MAX_NODES: Final = 1_024
#: Nodes that are gone and whose last beat is remembered, so that none of before is believed.
MAX_GONE: Final = 1_024
#: Seconds after which the least transit time of a node's messages is measured again: two clocks
#: drift apart by some microseconds a second.
TRANSIT_WINDOW_S: Final = 60.0


#: A node's name on the wire; longer ones are no names of nodes.
NodeName: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


class _Beat(msgspec.Struct, array_like=True):
    """A beat. ``version``: what a node must share in order to be a home for another."""

    node: NodeName
    number: int
    at: float
    version: Annotated[str, Meta(max_length=100)]
    is_home: bool
    """Whether events may have their home there; not while it drains, or forwards nothing."""
    is_over: bool
    """Whether it is the node's last."""


_beats = msgspec.msgpack.Decoder(_Beat)


class _Peer:
    """Another node, as heard."""

    __slots__ = ("_earlier", "_least", "_since", "beat", "heard_at")

    def __init__(self, beat: _Beat, now: float) -> None:
        self.beat = beat
        self.heard_at = now
        self._least = self._earlier = now - beat.at
        self._since = now

    def hear(self, beat: _Beat, now: float) -> None:
        self.beat = beat
        self.heard_at = now
        self.measure(beat.at, now)

    def measure(self, at: float, now: float) -> float:
        """Return by how many seconds a message written ``at`` came later than the quickest one.

        The clocks of two nodes have nothing in common but their pace.
        """
        if now - self._since > TRANSIT_WINDOW_S:
            self._earlier, self._least, self._since = self._least, now - at, now
        self._least = min(self._least, now - at)
        return now - at - min(self._least, self._earlier)


class LivingNodes:
    """The nodes that live, this one among them."""

    def __init__(
        self,
        bus: Bus,
        version: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``version``: nodes of another one are no homes for this node's events."""
        self._bus = bus
        self._version = version
        self._is_home = self._has_left = self._is_over = False
        self._clock = clock
        self._number = 0
        self._heard = False
        """Whether the bus delivers what the others send."""
        self._peers: dict[str, _Peer] = {}
        self._gone: OrderedDict[str, int] = OrderedDict()
        """The number of the last beat of nodes that are gone."""
        self.homes: tuple[str, ...] = ()
        """The nodes that events may have their home at; empty if there is no other node."""
        self.changes = 0
        """How often the homes have changed: the home of an event is good for one count."""
        self.on_change: Callable[[], None] = lambda: None
        self.task = Periodic("node beat", BEAT_INTERVAL_S, self._beat, first=0.0)

    def start(self) -> None:
        """Receive the other nodes' beats, and send this node's. The bus must be started."""
        self._bus.listen(NODES_CHANNEL, self._on_letter)
        self.task.start()

    def offer(self) -> None:
        """Let events have their home at this node from now on, until ``leave``."""
        self._change(not self._has_left)

    def leave(self) -> None:
        """Give up this node's homes, at once and for good; its beats go on."""
        self._has_left = True
        self._change(False)

    def _change(self, is_home: bool) -> None:
        if self._is_home is not is_home:
            self._is_home = is_home
            self._count()
            if self._heard:
                self._send()

    async def stop(self) -> None:
        """Stop sending beats; the last one says that the node ends."""
        await self.task.stop()
        self._is_home, self._has_left, self._is_over = False, True, True
        self._send()

    @property
    def others(self) -> list[str]:
        """The other living nodes."""
        return list(self._peers)

    def lives(self, node: str) -> bool:
        """Whether the other node ``node`` lives."""
        return node in self._peers

    def home_of(self, event: str) -> str | None:
        """Return the node that is the event's home; ``None`` if this node is alone."""
        if not self.homes:
            return None
        name = event.encode()
        return max(self.homes, key=lambda node: _weight(node, name))

    def lateness(self, node: str, at: float) -> float | None:
        """Return the seconds by which a message of ``node``, written ``at``, is late.

        ``None``: that node does not live.
        """
        peer = self._peers.get(node)
        return None if peer is None else peer.measure(at, self._clock())

    # Beats.

    async def _beat(self) -> None:
        now = self._clock()
        for node, peer in list(self._peers.items()):
            if now - peer.heard_at > BEAT_TTL_S:
                self._forget(node)
        if self._heard and self._bus.is_up:
            self._send()

    def _send(self) -> None:
        self._bus.post(NODES_CHANNEL, self._written)

    def _written(self) -> bytes:
        self._number += 1
        beat = _Beat(
            self._bus.node,
            self._number,
            self._clock(),
            self._version,
            self._is_home,
            self._is_over,
        )
        return msgspec.msgpack.encode(beat)

    def _on_letter(self, text: bytes | None) -> None:
        if text is None:
            if not self._heard:
                self._heard = True
                self._send()
            return
        beat = decoded(_beats, text)
        if beat is not None and beat.node != self._bus.node:
            self._hear(beat)

    def _hear(self, beat: _Beat) -> None:
        node = beat.node
        peer = self._peers.get(node)
        last = self._gone.get(node, 0) if peer is None else peer.beat.number
        if beat.number <= last:
            return
        if beat.is_over:
            if peer is not None:
                peer.beat = beat
                self._forget(node)
            return
        if peer is not None:
            before = peer.beat
            peer.hear(beat, self._clock())
            if (before.version, before.is_home) != (beat.version, beat.is_home):
                self._count()
            return
        if len(self._peers) >= MAX_NODES:
            return
        self._gone.pop(node, None)
        self._peers[node] = _Peer(beat, self._clock())
        # The newcomer need not wait for the next beat to know of this node.
        self._send()
        self._count()

    def _forget(self, node: str) -> None:
        self._gone[node] = self._peers.pop(node).beat.number
        if len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)
        self._count()

    def _count(self) -> None:
        """Count the homes again."""
        homes = {
            node
            for node, peer in self._peers.items()
            if peer.beat.is_home and peer.beat.version == self._version
        }
        if self._is_home and homes:
            homes.add(self._bus.node)
        self.homes = tuple(sorted(homes))
        self.changes += 1
        self.on_change()


def _weight(node: str, event: bytes) -> bytes:
    return blake2b(event, key=node.encode(), digest_size=8).digest()
