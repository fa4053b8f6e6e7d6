"""The parts of every trial: the server, the peer, and the time to measure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load import Client
from benchmarks.machine import CpuMeter
from benchmarks.pgbench import Peer
from benchmarks.server_process import HOST, ServerProcess
from benchmarks.voters import LoadRun, Voter, drive


@dataclass(frozen=True)
class Plan:
    """The size of a measurement. Each round has its own peers before and after."""

    rounds: int = 3
    seconds: float = 5.0
    peer_seconds: float = 5.0
    #: Commands of a trial that sends one at a time: 1 % of them must be several.
    singles: int = 500
    #: Members of the events that a vote's cost is compared in.
    sizes: tuple[int, ...] = (10, 1_000, 10_000)


QUICK = Plan(rounds=3, seconds=2.0, peer_seconds=2.0, singles=100, sizes=(10, 1_000))


@dataclass(frozen=True)
class Rig:
    """A running server and its peer."""

    server: ServerProcess
    peer: Peer
    plan: Plan

    @property
    def meter(self) -> CpuMeter:
        """Reads the processor time of the server."""
        return self.server.meter()

    async def client(self, user: str) -> Client:
        """A socket of ``user``."""
        return await Client.connect(HOST, self.server.port, self.server.token(user))

    async def clients(self, users: Sequence[str]) -> list[Client]:
        """A socket of each."""
        return [await self.client(user) for user in users]

    async def drive(
        self, voters: Sequence[Voter], *, inflight: int = 1, batched: bool = False
    ) -> LoadRun:
        """Run all voters at once, for the plan's time."""
        # The peer's effects must settle first: dirty pages, the journal's garbage.
        await asyncio.sleep(0.2)
        return await drive(
            voters, self.meter, inflight=inflight, seconds=self.plan.seconds, batched=batched
        )


def close(clients: Sequence[Client]) -> None:
    """Drop all connections."""
    for client in clients:
        client.close()
