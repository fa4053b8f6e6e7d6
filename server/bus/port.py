"""The messages about an event, and the letters, that nodes send each other.

A ``PositionHint`` says that an event may have reached a position; a node with a room of it reads
the new steps from the journal. Or it carries them, if a node of this database sealed them
(``seal``); a room takes only what continues its own position. So a message that is lost, repeated,
late or forged does no harm, and the rooms' sweep finds what no hint announced.

A ``PresenceReport`` feeds ``presence``, a number that decides nothing and is in no journal. A
forged one can make that number wrong for a while, but never higher than the number of members.

A letter is to one node, or to all of them. It is sealed: a node believes it because only a node of
the same database can have written it, to that very channel. It may be lost, or come repeatedly or
late, so its text says of which node it is and which place it has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    # It brings Redis' client along, which not every server needs.
    from server.bus.trouble import BusTrouble

#: Members of a room that one message names, 4 KiB of fingerprints; beyond that it carries only
#: their number.
MAX_FINGERPRINTS = 512
#: Bytes of the steps that one message carries; more are read from the journal. A batch of votes has
#: some 40 KB; a reader that stands still for seconds must not fill the bus.
MAX_STEPS_BYTES = 128 * 1024
#: Bytes of one fingerprint. Two fingerprints of 512 collide in one of 10^14 rooms.
FINGERPRINT_BYTES = 8


class PositionHint(NamedTuple):
    """An event may have reached ``seq`` of ``epoch``; empty epoch: hints may be missing."""

    event: str
    epoch: str = ""
    seq: int = 0
    steps: bytes = b""
    """The steps up to ``seq``, encoded by the node that committed them, if they came along."""


class PresenceReport(NamedTuple):
    """The number of members of an event that are connected to ``node``."""

    event: str
    node: str
    online: int
    fingerprints: frozenset[bytes] | None = None
    """A fingerprint for each member, the same on every node; ``None`` if there are too many."""
    is_request: bool = False
    """Whether the other nodes should report theirs."""


BusMessage: TypeAlias = PositionHint | PresenceReport
#: Receives another node's message; must not raise.
Listener: TypeAlias = Callable[[BusMessage], None]
#: Receives the text of a letter; ``None``: letters before now may be lost. Must not raise.
Reader: TypeAlias = Callable[[bytes | None], None]
#: Writes a letter when it leaves; ``None``: there is nothing to say any more. Must not raise.
Writer: TypeAlias = Callable[[], bytes | None]


class Bus(Protocol):
    """Carries messages between nodes, at most once each. No call waits or raises."""

    node: str
    """A random name of this node, constant while the process lives."""

    sent: int
    """Messages handed over to be sent."""
    received: int
    """Messages of other nodes that were delivered."""

    @property
    def is_up(self) -> bool:
        """Whether messages can be sent and received now; for the metrics."""

    @property
    def trouble(self) -> BusTrouble | None:
        """Why messages cannot be sent or received now, if that is known."""

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the last heartbeat was answered; 0 without a server."""

    @property
    def refused(self) -> int:
        """Messages with steps that no node of this database had sealed."""

    @property
    def dropped(self) -> int:
        """Messages that were dropped because too many waited to be sent."""

    def use_key(self, key: bytes) -> None:
        """Seal messages with the nodes' shared key; called before ``start``."""

    def is_shared(self, event: str) -> bool:
        """Whether steps of ``event`` should come along: another node seems to have its room.

        A guess from the latest messages; ``False`` while too much waits to be sent.
        """

    async def start(self, listener: Listener) -> None:
        """Connect, and deliver messages to ``listener``, which must not raise."""

    async def stop(self) -> None:
        """Disconnect; messages that still wait to be sent may be lost."""

    def publish(self, message: BusMessage) -> None:
        """Send ``message`` to the other nodes.

        A newer one of its event and kind replaces it while it waits, unless it carries steps.
        """

    def subscribe(self, event: str) -> None:
        """Receive the messages about ``event`` from now on."""

    def unsubscribe(self, event: str) -> None:
        """Stop receiving messages about ``event``."""

    def listen(self, channel: str, reader: Reader) -> None:
        """Receive the letters to ``channel`` from now on.

        ``reader`` gets ``None`` once they come.
        """

    def post(self, channel: str, writer: Writer) -> None:
        """Send a letter to ``channel`` soon, written when it leaves.

        One that waits already is the same letter: what gathers meanwhile goes with it.
        """
