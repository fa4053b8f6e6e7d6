"""The place of a campaign: PostgreSQL, Redis, proxies before the nodes, and the nodes.

The venue uses everything that the machine permits. The database has a disk and a clock of its own.
The first node has its own clock, the last node its own network. The second node's PostgreSQL is
behind PgBouncer.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from persistence.database.migrate import upgrade_async
from tests.campaign import equipment
from tests.campaign.clock import Clock
from tests.campaign.disk import Disk
from tests.campaign.journals import keep_erased
from tests.campaign.network import Network
from tests.campaign.nodes import NodeProcess
from tests.campaign.outboxes import Outboxes
from tests.campaign.pooler import Pooler
from tests.campaign.stores import Postgres, RedisStore
from tests.parts import folder
from tests.promises.proxy import Proxy, proxy_before


class Venue:
    """The parts of a running campaign that faults can break; missing parts are ``None``.

    ``proxies`` stand before PostgreSQL, one for each node.
    """

    def __init__(self, postgres: Postgres, redis: RedisStore) -> None:
        self.postgres, self.redis = postgres, redis
        self.proxies: list[Proxy] = []
        self.nodes: list[NodeProcess] = []
        self.missing: dict[str, str] = {}
        """Missing equipment, and why."""
        self.clock: Clock | None = None
        """The clock of the first node."""
        self.disk: Disk | None = None
        self.network: Network | None = None
        self.pooler: Pooler | None = None
        self.redis_proxy: Proxy | None = None
        """The way to Redis of the node with its own network."""
        self.outboxes = Outboxes()
        self.standbys = 0
        """All standbys so far, each with a folder of its own."""

    def described(self) -> list[str]:
        """The platform of the nodes, for the report."""
        clocks = "clocks of their own by libfaketime: the database's machine, node 1"
        found = [clocks] if self.clock is not None else []
        if self.pooler is not None:
            found.append("PgBouncer (session pooling) between node 2 and PostgreSQL")
        if self.network is not None:
            found.append(
                f"{self.nodes[-1].name} in a network namespace; packets cut and lost by nftables, "
                f"late by {self.network.delays_by}"
            )
        if self.disk is not None:
            found.append("the databases on a tmpfs of their own, made full by its size")
        return found


@asynccontextmanager
async def venue(count: int = 2, *, planted: str = "", plain: bool = True) -> AsyncIterator[Venue]:
    """Everything started and ready; nothing of it is left afterwards.

    ``plain``: without the equipment that only the campaign's newer faults need.
    """
    async with AsyncExitStack() as stack:
        path: Path = stack.enter_context(folder())
        missing = dict.fromkeys(equipment.PIECES, "not asked for")
        if not plain:
            missing = await asyncio.to_thread(equipment.missing)
        place = await _stores(stack, path, missing)
        place.missing = missing
        if equipment.PACKETS not in missing:
            place.network = Network()
            stack.push_async_callback(place.network.end)
            await place.network.begin()
        for number in range(count):
            await _node(stack, place, path, number, count)
            place.nodes[-1].planted = planted
        stack.callback(shutil.rmtree, path / "nodes", True)
        await asyncio.gather(*(node.start() for node in place.nodes))
        yield place


async def _stores(stack: AsyncExitStack, path: Path, missing: dict[str, str]) -> Venue:
    """The database and the Redis, started."""
    home = path / "databases"
    disk, clock = None, None
    if equipment.DISK not in missing:
        disk = Disk(home)
        stack.push_async_callback(disk.end)
        await disk.begin()
    if equipment.FAKETIME not in missing:
        clock = Clock(path / "clock-of-the-database")
    home.mkdir(exist_ok=True, mode=0o711)
    postgres, redis = Postgres(home, clock), RedisStore()
    stack.push_async_callback(postgres.stop)
    stack.push_async_callback(redis.end)
    await asyncio.gather(postgres.start(), redis.begin())
    await upgrade_async(postgres.url)
    await keep_erased(postgres)
    place = Venue(postgres, redis)
    place.disk = disk
    if equipment.FAKETIME not in missing:
        place.clock = Clock(path / "clock-of-a-node")
    return place


async def _node(stack: AsyncExitStack, place: Venue, path: Path, number: int, count: int) -> None:
    """A node with its proxy, not started yet."""
    is_last = number == count - 1
    network = place.network if is_last else None
    here = network.here if network is not None else "127.0.0.1"
    proxy = await stack.enter_async_context(proxy_before(place.postgres.url, host=here))
    url, redis_url = proxy.url, lambda: place.redis.url
    if number == 1 and equipment.POOLER not in place.missing and network is None:
        place.pooler = Pooler(proxy.url, path / "pooler")
        stack.push_async_callback(place.pooler.end)
        await place.pooler.begin()
        url = place.pooler.url
    if network is not None:
        before = await stack.enter_async_context(proxy_before(place.redis.url, host=here))
        place.redis_proxy = before
        redis_url = lambda: f"redis://{before.host}:{before.port}/0"  # noqa: E731
    node = NodeProcess(
        f"node {number + 1}",
        url,
        redis_url,
        path,
        host=network.node if network is not None else "127.0.0.1",
        environment=place.clock.environment if number == 0 and place.clock else None,
        within=network.within if network is not None else (),
    )
    stack.push_async_callback(node.close)
    place.proxies.append(proxy)
    place.nodes.append(node)
