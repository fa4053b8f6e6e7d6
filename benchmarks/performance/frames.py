"""Frames alone: one text to every socket of a room, against Node's ``ws``, Bun and picows."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from benchmarks.child import Child, started
from benchmarks.fanout import STEP
from benchmarks.machine import processor_seconds
from benchmarks.peers.installing import Peers
from benchmarks.performance.plan import Plan
from benchmarks.performance.readers import AHEAD
from benchmarks.report import Row, Target

SOCKETS = 500
#: A text frame's header, for a payload of 126 bytes and more.
HEADER = 4


@dataclass(frozen=True)
class Sender:
    """One program that sends, and the process that reads."""

    name: str
    child: Child
    readers: Child
    port: int

    async def run(self, seconds: float) -> tuple[float, float]:
        """Frames a second, and the sender's processor time for one in µs."""
        text = STEP.ljust(230)
        ready = await self.child.ask({"send": None})
        await self.readers.ask({"frame": ready.get("frame", len(text) + HEADER)})
        await self.child.ask({"send": text, "ahead": AHEAD})
        await asyncio.sleep(0.3)
        before, used = await self.readers.ask({"mark": True}), processor_seconds([self.child.pid])
        await asyncio.sleep(seconds)
        after, used = (
            await self.readers.ask({"mark": True}),
            processor_seconds([self.child.pid]) - used,
        )
        await self.child.ask({"send": None})
        await asyncio.sleep(0.2)
        count = after["frames"] - before["frames"]
        if not count:
            raise RuntimeError(f"{self.name} sent nothing")
        return count / (after["at"] - before["at"]), used / count * 1e6


def commands(peers: Peers) -> dict[str, tuple[str, ...]]:
    """How each sender is started."""
    return {
        "Ayes": (sys.executable, "-m", "benchmarks.performance.ayes_frames"),
        "Node ws": (peers.node, peers.script("frames_ws.js"), str(peers.directory)),
        "Bun publish": (peers.bun, peers.script("frames_bun.js")),
        "picows": (sys.executable, peers.script("frames_picows.py")),
    }


@asynccontextmanager
async def sending(peers: Peers, name: str, sockets: int) -> AsyncIterator[Sender]:
    """A sender with this number of readers."""
    command = commands(peers)[name]
    # The server runs with its own packages.
    env = None if name == "Ayes" else peers.python()
    async with (
        started(*command, env=env) as child,
        started(sys.executable, "-m", "benchmarks.performance.readers") as readers,
    ):
        port = (await child.told())["port"]
        await readers.ask({"port": port, "sockets": sockets})
        yield Sender(name, child, readers, port)


async def measure_frames(peers: Peers, plan: Plan) -> list[Row]:
    """Measure all senders in turns, in every other round in the opposite order."""
    targets = {"Bun publish": Target(0.6, 1, "more"), "Node ws": Target(1, 1.4, "more")}
    names = list(commands(peers))
    rates = {
        name: Row(f"frames alone, {SOCKETS} sockets", "/s", name, targets.get(name))
        for name in names[1:]
    }
    costs = {name: Row("the same, processor time a frame", "µs", name) for name in names[1:]}
    async with AsyncExitStack() as stack:
        senders = [await stack.enter_async_context(sending(peers, name, SOCKETS)) for name in names]
        for number in range(plan.frame_rounds):
            order = senders if number % 2 == 0 else senders[::-1]
            found = {sender.name: await sender.run(plan.seconds / 2) for sender in order}
            rate, cost = found["Ayes"]
            for name in names[1:]:
                rates[name].add(rate, found[name][0])
                costs[name].add(cost, found[name][1])
    return [row for name in names[1:] for row in (rates[name], costs[name])]
