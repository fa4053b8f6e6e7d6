"""Faults of the network between one node and everything else: late, lost or cut packets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests.campaign.equipment import PACKETS
from tests.campaign.fault import NETWORK, Fault, Scene
from tests.campaign.network import Network, Way

#: How long packets are late or lost.
BAD_SECONDS = 4.0
#: How long they are cut one way: under and over the silence that ends a socket (10 s).
CUT_SECONDS = (1.0, 4.0, 11.0)


def _network(work: Callable[[Scene, Network, random.Random], Awaitable[None]]) -> Fault:
    async def strike(scene: Scene, rng: random.Random) -> bool:
        network = scene.venue.network
        if network is None:
            return False
        try:
            await work(scene, network, rng)
        finally:
            await network.heal()
        return True

    return Fault((NETWORK,), strike, PACKETS)


async def _late(scene: Scene, network: Network, rng: random.Random) -> None:
    await network.make_late()
    await asyncio.sleep(BAD_SECONDS)


async def _lost(scene: Scene, network: Network, rng: random.Random) -> None:
    await network.lose()
    await asyncio.sleep(BAD_SECONDS)


async def _cut(scene: Scene, network: Network, rng: random.Random) -> None:
    """Cut one direction: all packets, or only those to or from PostgreSQL, or Redis."""
    ways: tuple[Way, Way] = ("to the node", "from the node")
    redis = scene.venue.redis_proxy
    ports = (None, scene.venue.proxies[-1].port, redis.port if redis is not None else None)
    await network.cut(rng.choice(ways), rng.choice(ports))
    await asyncio.sleep(rng.choice(CUT_SECONDS))


FAULTS: dict[str, Fault] = {
    "packets late": _network(_late),
    "packets lost": _network(_lost),
    "packets cut one way": _network(_cut),
}
