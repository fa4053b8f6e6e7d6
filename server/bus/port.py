"""The messages between nodes: that an event has moved, and how many of its members are connected.

A ``PositionHint`` says that an event may have reached a position; a node with a room of it reads
the new steps from the journal. Nothing in it is sent to a client. So a message that is lost,
repeated, late or forged does no harm, and the rooms' sweep finds what no hint announced.

A ``PresenceReport`` feeds ``presence``, a number that decides nothing and is in no journal. A
forged one can make that number wrong for a while, but never higher than the number of members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

#: Members of a room that one message names, 4 KiB of marks; beyond that it carries their number.
MAX_FINGERPRINTS = 512
#: Bytes of one mark. Two marks of 512 collide in one of 10^14 rooms.
FINGERPRINT_BYTES = 8


class PositionHint(NamedTuple):
    """An event may stand at ``seq`` of ``epoch``; an empty epoch: look, something may be missed."""

    event: str
    epoch: str = ""
    seq: int = 0


class PresenceReport(NamedTuple):
    """How many members of an event are connected to ``node``."""

    event: str
    node: str
    online: int
    fingerprints: frozenset[bytes] | None = None
    """A mark for each of them, the same on every node; ``None``: too many to name."""
    is_request: bool = False
    """Whether the others should tell theirs."""


BusMessage: TypeAlias = PositionHint | PresenceReport
#: Hears what another node message; must not raise.
Listener: TypeAlias = Callable[[BusMessage], None]


class Bus(Protocol):
    """Carries what is message between nodes; no call waits or raises."""

    node: str
    """A name of this node, random, for as long as the process lives."""

    @property
    def is_up(self) -> bool:
        """Whether other nodes can be message and heard now; for the metrics."""

    async def start(self, listener: Listener) -> None:
        """Begin to listen; ``listener`` must not raise."""

    async def stop(self) -> None:
        """End; what is still waiting to be message may be lost."""

    def publish(self, message: BusMessage) -> None:
        """Tell the other nodes; only the newest of an event and kind matters."""

    def subscribe(self, event: str) -> None:
        """Hear of ``event`` from now on."""

    def unsubscribe(self, event: str) -> None:
        """Hear no more of ``event``."""
