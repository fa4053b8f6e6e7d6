"""What one node tells the others: that an event has moved, and how many of its members are here.

A message is a hint and nothing more. A ``Hint`` says *this event stands at this position now*;
whoever has a room of it reads what is new from the journal. So a message that is lost, repeated,
late or forged can do no harm: nothing of it is ever told to a client. The rooms' sweep finds what
no hint told of. A ``Headcount`` feeds ``presence``, a number that decides nothing and is in no
journal; a forged one can make that number wrong for a while, and never higher than the members.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

#: Members of a room that one message names, 4 KiB of marks; beyond that it carries their number.
MAX_MARKS = 512
#: Bytes of one mark. Two marks of 512 collide in one of 10^14 rooms.
MARK_BYTES = 8


class Hint(NamedTuple):
    """An event may stand at ``seq`` of ``epoch``; an empty epoch: look, something may be missed."""

    event: str
    epoch: str = ""
    seq: int = 0


class Headcount(NamedTuple):
    """How many members of an event are connected to ``node``."""

    event: str
    node: str
    online: int
    marks: frozenset[bytes] | None = None
    """A mark for each of them, the same on every node; ``None``: too many to name."""
    asks: bool = False
    """Whether the others should tell theirs."""


Told: TypeAlias = Hint | Headcount
#: Hears what another node told; must not raise.
Listener: TypeAlias = Callable[[Told], None]


class Bus(Protocol):
    """Carries what is told between nodes; no call waits or raises."""

    node: str
    """A name of this node, random, for as long as the process lives."""

    @property
    def is_up(self) -> bool:
        """Whether other nodes can be told and heard now; for the metrics."""

    async def start(self, listener: Listener) -> None:
        """Begin to listen; ``listener`` must not raise."""

    async def stop(self) -> None:
        """End; what is still waiting to be told may be lost."""

    def tell(self, told: Told) -> None:
        """Tell the other nodes; only the newest of an event and kind matters."""

    def watch(self, event: str) -> None:
        """Hear of ``event`` from now on."""

    def unwatch(self, event: str) -> None:
        """Hear no more of ``event``."""
