"""Faults of clocks: they jump by minutes, and back."""

from __future__ import annotations

import asyncio
import random

from tests.campaign.clock import Clock
from tests.campaign.equipment import FAKETIME
from tests.campaign.fault import CLOCK, Fault, Scene

#: How far a clock jumps, in seconds, forward or back.
NEAREST, FARTHEST = 60, 300
#: How long a clock stays wrong before it jumps the other way, and then before it is right again.
WRONG_SECONDS = 1.5


async def _jump(clock: Clock | None, rng: random.Random) -> bool:
    """Set a clock forward and back, in either order, and right at last."""
    if clock is None:
        return False
    jumps = [rng.randint(NEAREST, FARTHEST), -rng.randint(NEAREST, FARTHEST)]
    rng.shuffle(jumps)
    try:
        for jump in jumps:
            clock.set(jump)
            await asyncio.sleep(WRONG_SECONDS)
    finally:
        clock.set(0)
    return True


async def _of_the_database(scene: Scene, rng: random.Random) -> bool:
    return await _jump(scene.venue.postgres.clock, rng)


async def _of_a_node(scene: Scene, rng: random.Random) -> bool:
    return await _jump(scene.venue.clock, rng)


FAULTS: dict[str, Fault] = {
    "clock of the database's machine jumps": Fault((CLOCK,), _of_the_database, FAKETIME),
    "clock of a node jumps": Fault(("clock of node 1",), _of_a_node, FAKETIME),
}
