"""What a fault of the campaign is, and what it may lay hands on."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from tests.campaign.nodes import NodeProcess
from tests.campaign.seat import Seat
from tests.campaign.venue import Venue
from tests.campaign.waves import Waves

#: Parts: the drawn node, its link to PostgreSQL, and PostgreSQL, which all nodes share.
#: Also the network of the node that has its own, and the clock of the database's machine.
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
        """Send up to ``commands`` decided ones of earlier rounds again; how many there were."""

    async def note_loss(self) -> None:
        """Read what the primary holds: from here on, it may be lost."""

    async def note_new_epoch(self) -> None:
        """Read what the promoted standby holds, before a node sees it."""


class Fault(NamedTuple):
    """How it is done, and to which parts; those of one part take turns."""

    parts: tuple[str, ...]
    strike: Callable[[Scene, random.Random], Awaitable[bool]]
    needs: str = ""
    """The piece of equipment without which it is left out, see ``equipment.py``."""


def node_of(scene: Scene, rng: random.Random) -> NodeProcess:
    """The node that is struck: what a strike draws first."""
    return rng.choice(scene.venue.nodes)
