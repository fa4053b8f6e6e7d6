"""Where a campaign takes place: PostgreSQL, Redis, proxies before the nodes, and the nodes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from persistence.migrate import upgrade_async
from tests.campaign.nodes import NodeProcess
from tests.campaign.stores import Postgres, RedisStore
from tests.parts import folder
from tests.promises.proxy import Proxy, proxy_before


class Venue:
    """The parts of a running campaign that faults happen to."""

    def __init__(
        self, postgres: Postgres, redis: RedisStore, proxies: list[Proxy], nodes: list[NodeProcess]
    ) -> None:
        self.postgres, self.redis = postgres, redis
        self.proxies, self.nodes = proxies, nodes


@asynccontextmanager
async def venue(count: int = 2, *, planted: str = "") -> AsyncIterator[Venue]:
    """Everything started and ready; nothing of it is left afterwards."""
    async with AsyncExitStack() as stack:
        path: Path = stack.enter_context(folder())
        postgres, redis = Postgres(path / "database"), RedisStore()
        stack.push_async_callback(postgres.stop)
        stack.push_async_callback(redis.end)
        await asyncio.gather(postgres.start(), redis.begin())
        await upgrade_async(postgres.url)
        proxies, nodes = [], []
        for number in range(count):
            proxy = await stack.enter_async_context(proxy_before(postgres.url))
            node = NodeProcess(f"node {number + 1}", proxy.url, redis, path)
            node.planted = planted
            stack.push_async_callback(node.close)
            proxies.append(proxy)
            nodes.append(node)
        stack.callback(shutil.rmtree, path / "nodes", True)
        await asyncio.gather(*(node.start() for node in nodes))
        yield Venue(postgres, redis, proxies, nodes)
