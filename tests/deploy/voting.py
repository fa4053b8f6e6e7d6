"""Voters who do not give up: they open a lost socket again, and send the same command again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from itertools import count

from websockets.exceptions import WebSocketException

from tests.promises.client import Client, Gone, Message
from tests.promises.running import Address
from tests.promises.scenes import Scene, fresh

#: Longest time without a socket, or without a command's answer.
PATIENCE = 20.0
#: Pauses between two votes of a voter, and between two attempts to connect.
PAUSE = 0.02
AGAIN = 0.05
#: Errors after which the same id is sent again.
SAME = {"draining", "busy", "overloaded", "timeout", "commit_unknown", "internal", "rate_limited"}


class Voting:
    """Voters on one proposal, all through one address."""

    def __init__(self, front: Address, scene: Scene, proposal: str) -> None:
        self._front = front
        self._scene = scene
        self._proposal = proposal
        self._going = True
        self._tasks: list[asyncio.Task[None]] = []
        self._seqs: set[int] = set()
        self.acks = 0
        self.codes: Counter[int] = Counter()
        """Close codes of lost sockets."""
        self.gaps: list[float] = []
        """Seconds from a lost socket to the next ``welcome``."""

    async def start(self, voters: int) -> None:
        """Let ``voters`` join, and begin."""
        for _ in range(voters):
            client = await self._front.connect(fresh("voter"))
            await client.ack("membership.join", code=self._scene.code)
            self._tasks.append(asyncio.create_task(self._vote(client)))

    async def stop(self) -> None:
        """End; raises a voter's exception. Every command has its ack, at its own position."""
        self._going = False
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*self._tasks)
        assert len(self._seqs) == self.acks, "two commands have one place"

    async def _vote(self, client: Client) -> None:
        for number in count():
            if not self._going:
                await client.leave()
                return
            type = "vote.retract" if number % 2 else "vote.cast"
            client = await self._decided(client, type, f"{client.user}-{number}")
            await asyncio.sleep(PAUSE)

    async def _decided(self, client: Client, type: str, id: str) -> Client:
        """Send until there is an ack; return the socket of the ack."""
        fields: Message = {"event": self._scene.event, "proposal": self._proposal}
        if type == "vote.cast":
            fields["revision"] = 1
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    answer = await client.send(type, id=id, **fields)
                except Gone as gone:
                    self.codes[gone.code] += 1
                    client = await self._back(client.user)
                    continue
                if answer["type"] == "ack":
                    self.acks += 1
                    self._seqs.add(answer["seq"])
                    return client
                assert answer["code"] in SAME, answer
                await asyncio.sleep(AGAIN)

    async def _back(self, user: str) -> Client:
        began = time.monotonic()
        while True:
            try:
                client = await self._front.connect(user)
            except (Gone, AssertionError, OSError, WebSocketException):
                await asyncio.sleep(AGAIN)
                continue
            self.gaps.append(time.monotonic() - began)
            return client
