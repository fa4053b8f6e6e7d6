"""Faults of Redis."""

from __future__ import annotations

import asyncio
import random

from tests.campaign.fault import Fault, Scene

#: A dead or frozen Redis; longer than the silence that the bus tolerates (4 s).
AWAY_SECONDS = 1.5
FROZEN_SECONDS = 5.5


async def _killed(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.redis.end()
    await asyncio.sleep(AWAY_SECONDS)
    await scene.venue.redis.begin()
    return True


async def _emptied(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.redis.order("FLUSHALL")
    return True


async def _frozen(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.redis.freeze(FROZEN_SECONDS)
    return True


async def _pubsub_cut(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.redis.order("CLIENT", "KILL", "TYPE", "pubsub")
    return True


FAULTS: dict[str, Fault] = {
    "Redis killed": Fault(("redis",), _killed),
    "Redis emptied": Fault(("redis",), _emptied),
    "Redis frozen": Fault(("redis",), _frozen),
    "Redis pub/sub cut": Fault(("redis",), _pubsub_cut),
}
