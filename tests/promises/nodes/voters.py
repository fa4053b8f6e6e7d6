"""People who vote on several nodes without a pause, and all that they were answered."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import httpx

from tests.promises.client import Client, Message
from tests.promises.nodes.homes import PATIENCE, pair
from tests.promises.running import Address, Killable
from tests.promises.scenes import Scene
from tests.promises.tables import agree_with_the_tables

#: Longest wait for one answer; then the same command is sent again.
ANSWER_SECONDS = 5.0


class Voters:
    """Two members of each of several events, one on each of two nodes, who vote in turns.

    A command is sent again under its id until it is acknowledged, on another node if its own is
    gone.
    """

    def __init__(self, nodes: Sequence[Address]) -> None:
        self.nodes = list(nodes)
        """The nodes to connect to, in order."""
        self.events: list[tuple[Scene, str]] = []
        self.acks: dict[str, list[Message]] = defaultdict(list)
        """By event."""
        self.wrong: list[str] = []
        self.unknown = self.again = 0
        """Answers that said nothing is known; commands that were sent again."""
        self._over = asyncio.Event()
        self._going: list[asyncio.Task[None]] = []

    async def begin(self, events: int) -> None:
        """Make the events, and begin to vote in them."""
        for number in range(events):
            first = number % 2
            scene, proposal, there = await pair([self.nodes[first], self.nodes[1 - first]])
            self.events.append((scene, proposal))
            for client in (scene.members[0], *there):
                await client.subscribe(scene.event)
                self._going.append(asyncio.create_task(self._vote(scene.event, proposal, client)))

    async def end(self, url: str) -> None:
        """End the votes, and compare all acks with the tables, and all rooms with each other."""
        self._over.set()
        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.gather(*self._going)
        assert not self.wrong, self.wrong
        for scene, proposal in self.events:
            acks = self.acks[scene.event]
            await agree_with_the_tables(url, scene.event, acks)
            assert len({ack["seq"] for ack in acks}) == len(acks)
            states = []
            for node in self.nodes:
                client = await node.connect(scene.admin.user)
                room = await client.subscribe(scene.event)
                await room.reached(max(ack["seq"] for ack in acks))
                states.append(room.state["proposals"])
            assert states[0] == states[-1]
            assert states[0][proposal]["agree"] == 0

    @property
    def decided(self) -> int:
        """The commands that were acknowledged."""
        return sum(map(len, self.acks.values()))

    async def more(self, count: int) -> None:
        """Wait until so many more commands are acknowledged."""
        top = self.decided + count
        async with asyncio.timeout(PATIENCE):
            while self.decided < top:
                await asyncio.sleep(0.01)

    async def _vote(self, event: str, proposal: str, client: Client) -> None:
        """Cast and retract until the end; the client's room must lose nothing on the way."""
        number = 0
        while number % 2 or not self._over.is_set():
            fields: dict[str, Any] = {"event": event, "proposal": proposal}
            kind = ("vote.cast", "vote.retract")[number % 2]
            if kind == "vote.cast":
                fields["revision"] = 1
            client = await self._settle(client, kind, f"{client.user}-{number:06}", fields)
            number += 1

    async def _settle(self, client: Client, kind: str, id: str, fields: Any) -> Client:
        """Send one command until it is acknowledged; return the client that it went out on."""
        event = fields["event"]
        is_open_question = False
        while True:
            answer: Message | None = None
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = await client.send(kind, id=id, **fields)
            except Exception:
                # The socket is gone, or silent: whether it was decided is not known.
                is_open_question = True
                client = await self._moved(client, event)
            if answer is not None and answer["type"] == "ack":
                if not answer["applied"]:
                    self.wrong.append(f"{id} had no effect: {answer}")
                if answer["replayed"] and not is_open_question:
                    self.wrong.append(f"{id} was decided, and nobody was told so: {answer}")
                self.acks[event].append(answer)
                return client
            self.again += 1
            if answer is None:
                continue
            if answer["retry"] != "same":
                self.wrong.append(f"{id} was refused: {answer}")
                return client
            is_open_question |= answer["effect"] == "unknown"
            self.unknown += answer["effect"] == "unknown"
            await asyncio.sleep(answer["retry_after_ms"] / 1_000)

    async def _moved(self, client: Client, event: str) -> Client:
        """A new socket of the user, in the room where the old one was."""
        room = client.rooms[event]
        self.wrong += client.violations
        async with asyncio.timeout(2 * PATIENCE):
            while True:
                for node in list(self.nodes):
                    try:
                        fresh = await node.connect(client.user)
                        fresh.adopt(room)
                        again = await fresh.resume(event)
                    except Exception:
                        await asyncio.sleep(0.05)
                        continue
                    if again.starts[0]["type"] != "resumed":
                        self.wrong.append(f"{client.user} lost its place at {room.seq}")
                    return fresh


async def statements(nodes: Sequence[Address]) -> float:
    """The statements of PostgreSQL that the nodes ran."""
    found = 0.0
    for node in nodes:
        async with httpx.AsyncClient(base_url=node.base, trust_env=False) as http:
            for line in (await http.get("/metrics")).text.splitlines():
                if line.startswith("ayes_statement_seconds_count"):
                    found += float(line.rsplit(" ", 1)[1])
    return found


async def paused(node: Killable, seconds: float) -> None:
    """The process stands still for so long, and goes on."""
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(node.process.pid, signal.SIGCONT)
