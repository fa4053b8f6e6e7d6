"""The server under attack, and a member in the same room who must not notice the attack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from persistence.database.pool import Database
from server import process
from server.node import Node
from server.transport.budgets import Budgets, GuardedConfig
from tests.promises.client import Client
from tests.promises.running import Running, auth, settings_for
from tests.promises.scenes import Scene

#: Longest that an attacked server may take to forget a closed socket.
SOON = 30.0


class Target(Running):
    """A server in this process whose sockets can be counted."""

    def __init__(self, node: Node, port: int, server: process.Server) -> None:
        super().__init__(node, port)
        self.server = server

    @property
    def connections(self) -> set[Any]:
        """All connections, WebSocket or not, from uvicorn's own list."""
        return self.server.server_state.connections

    async def until_left(self, count: int) -> None:
        """Wait until at most ``count`` connections, sessions and tasks of them are left."""

        def left() -> int:
            return max(
                len(self.connections),
                len(self.node.sockets.all),
                len(self.server.server_state.tasks),
            )

        await until(lambda: left() <= count)


async def until(happened: Callable[[], object], seconds: float = SOON) -> None:
    """Wait for a state of the server that has no event."""
    async with asyncio.timeout(seconds):
        while not happened():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def attacked(
    database_url: str, *, budgets: Budgets | None = None, **changes: Any
) -> AsyncIterator[Target]:
    """A server on this loop, with ``budgets`` in place of those that its settings give."""
    settings = settings_for(database_url, **changes)
    node = Node(settings, Database(database_url, connections=settings.database_connections), auth)
    listener = process.listen(settings)
    config = process._config(settings, node)
    if budgets is not None:
        assert isinstance(config, GuardedConfig)
        config.budgets = budgets
    config.load()
    server = process.Server(config, node)
    server.lifespan = config.lifespan_class(config)
    await node.start()
    try:
        await server.startup(sockets=[listener])
        target = Target(node, listener.getsockname()[1], server)
        try:
            yield target
        finally:
            await server.shutdown(sockets=[listener])
        await target.leave()
    finally:
        await node.stop()
        listener.close()


class Bystander:
    """A member who casts and retracts a vote in turn, and records the time of each ack."""

    def __init__(self, client: Client, event: str, proposal: str) -> None:
        self.waits: list[float] = []
        """Seconds from each command to its ack."""
        self._client = client
        self._event = event
        self._proposal = proposal
        self._agrees = False

    @classmethod
    async def of(cls, scene: Scene) -> Bystander:
        """A new member of ``scene`` who watches the room."""
        client = await scene.member()
        await client.subscribe(scene.event)
        return cls(client, scene.event, await scene.propose())

    async def vote(self) -> None:
        """Send one command; wait for its ack and for the diff that shows it."""
        begun = time.perf_counter()
        at = {"event": self._event, "proposal": self._proposal}
        if self._agrees:
            ack = await self._client.ack("vote.retract", **at)
        else:
            ack = await self._client.ack("vote.cast", **at, revision=1)
        assert ack["applied"], ack
        self._agrees = not self._agrees
        self.waits.append(time.perf_counter() - begun)
        await self._client.room(self._event).reached(ack["seq"])

    async def votes(self, count: int) -> list[float]:
        """Send ``count`` commands, one after another; return the seconds of each."""
        for _ in range(count):
            await self.vote()
        return self.waits[-count:]

    @asynccontextmanager
    async def voting(self, gap: float = 0.005) -> AsyncIterator[None]:
        """Vote while the block runs, with ``gap`` seconds between; the last ack is awaited."""
        over = asyncio.Event()

        async def go_on() -> None:
            while not over.is_set():
                await self.vote()
                await asyncio.sleep(gap)

        async with asyncio.TaskGroup() as group:
            group.create_task(go_on())
            try:
                yield
            finally:
                over.set()
