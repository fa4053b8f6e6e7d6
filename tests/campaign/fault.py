"""The type of a fault, and the parts of a campaign that a fault may touch."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from tests.campaign.nodes import NodeProcess
from tests.campaign.seat import Seat
from tests.campaign.venue import Venue
from tests.campaign.waves import Waves

#: Parts: the drawn node, its link to PostgreSQL, and PostgreSQL, which all nodes share. Also the
#: network of the node that has its own, and the clock of the database's machine.
ONE_NODE, LINK, POSTGRES = "a node", "a link", "PostgreSQL"
NETWORK, CLOCK = "a network", "the database's clock"


class Scene(Protocol):
    """The round that a fault strikes."""

    venue: Venue
    waves: Waves

    @property
    def all_seats(self) -> list[Seat]:
        """All users' sockets."""

    @property
    def event_ids(self) -> list[str]:
        """The events, the hot one first."""

    def hold_back(self, commands: int, seconds: float) -> None:
        """Let the next ``commands`` wait in their senders' outboxes for ``seconds``."""

    async def send_again(self, rng: random.Random, commands: int) -> int:
        """Send up to ``commands`` decided ones of earlier rounds again; return their number."""

    async def note_loss(self) -> None:
        """Read what the primary holds; from now on, its data may be lost."""

    async def note_new_epoch(self) -> None:
        """Read what the promoted standby holds, before any node sees it."""


class Fault(NamedTuple):
    """The function that strikes, and the parts it strikes; faults of one part take turns."""

    parts: tuple[str, ...]
    strike: Callable[[Scene, random.Random], Awaitable[bool]]
    needs: str = ""
    """The equipment that the fault needs, see ``equipment.py``."""


def node_of(scene: Scene, rng: random.Random) -> NodeProcess:
    """The node to strike; every strike draws it first."""
    return rng.choice(scene.venue.nodes)
