"""An event with a home, and members on several nodes that forward to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from server.bus.redis import RedisBus
from tests.promises.client import Client
from tests.promises.running import Address, Running, running
from tests.promises.scenes import Scene, gathering

#: Longest wait for what surely comes.
PATIENCE = 30.0


@asynccontextmanager
async def nodes(
    url: str, redis_url: str, count: int = 2, **changes: Any
) -> AsyncIterator[list[Running]]:
    """Nodes that know each other, and decide commands for each other."""
    changes = {"forward": "on"} | changes
    async with AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(
                running(url, bus=RedisBus(redis_url, "test"), **changes)
            )
            for _ in range(count)
        ]
        if changes["forward"] == "on":
            await until(lambda: all(len(one.node.nodes.homes) == count for one in found))
        yield found


async def until(happened: Any) -> None:
    """Wait for a state without an event."""
    async with asyncio.timeout(PATIENCE):
        while not happened():
            await asyncio.sleep(0.01)


class Shared:
    """An event with its home on the first node, and members on both."""

    def __init__(self, home: Running, other: Running, scene: Scene, proposal: str) -> None:
        self.home, self.other, self.scene, self.proposal = home, other, scene, proposal
        self.here: list[Client] = []
        """Members on the other node, which forwards; and the scene's first votes, at home."""

    async def votes(self, client: Client, times: int = 1, *, retried: bool = False) -> None:
        """Cast and retract, in turns; each command must be acknowledged without a replay."""
        for _ in range(times):
            for kind in ("vote.cast", "vote.retract"):
                fields: dict[str, Any] = {"event": self.scene.event, "proposal": self.proposal}
                if kind == "vote.cast":
                    fields["revision"] = 1
                id = f"{client.user}-{os.urandom(8).hex()}"
                while True:
                    answer = await client.send(kind, id=id, **fields)
                    if answer["type"] == "ack":
                        break
                    assert retried, answer
                    assert answer["retry"] == "same", answer
                    await asyncio.sleep(answer["retry_after_ms"] / 1_000)
                assert answer["applied"], answer
                assert retried or not answer["replayed"], answer

    async def shares(self) -> None:
        """Vote on both nodes in turns until the other node forwards."""
        counts = self.other.node.homes.counts
        # The first letters may be lost: the home is trusted again after ``MIN_DISTRUST_S``.
        async with asyncio.timeout(PATIENCE):
            while not counts.answered:
                await self.votes(self.scene.members[0])
                await self.votes(self.here[0])

    async def agree(self) -> None:
        """Both nodes' rooms must be equal, and have no vote left."""
        one = await self.scene.watch(self.scene.members[0])
        room = await self.here[0].subscribe(self.scene.event)
        await asyncio.gather(*(r.reached(max(one[0].seq, room.seq)) for r in (one[0], room)))
        assert one[0].state["proposals"] == room.state["proposals"]
        assert room.state["proposals"][self.proposal]["agree"] == 0


async def shared(found: list[Running], members: int = 4) -> Shared:
    """An event with a home, used on that node and on another."""
    while True:
        scene = await gathering(found[0], members)
        name = found[0].node.nodes.home_of(scene.event)
        if name == found[0].node.bus.node:
            break
    proposal = await scene.propose()
    result = Shared(found[0], found[1], scene, proposal)
    result.here = [await found[1].connect(member.user) for member in scene.members[1:]]
    await result.shares()
    return result


def counts(running: Running) -> Any:
    return running.node.homes.counts


async def pair(found: list[Address]) -> tuple[Scene, str, list[Client]]:
    """An event made on the first of two processes, and half of its members on the second."""
    scene = await gathering(found[0], 2)
    proposal = await scene.propose()
    there = [await found[1].connect(member.user) for member in scene.members[1:]]
    for member in scene.members[1:]:
        await member.leave()
    del scene.members[1:]
    return scene, proposal, there


async def forwards(address: Address) -> dict[str, float]:
    """The metrics of forwarding of a process."""
    import httpx

    async with httpx.AsyncClient(base_url=address.base, trust_env=False) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line.startswith("ayes_forward")]
    return {name: float(value) for name, value in pairs}
