"""The server and its peers, started beside one another and measured in turns."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from benchmarks.child import started
from benchmarks.gathering import gather, join
from benchmarks.load import Client
from benchmarks.machine import children, processor_seconds, processor_times
from benchmarks.peers.installing import Peers
from benchmarks.performance.member import Measured, Member, measure
from benchmarks.server_process import HOST, PostgresAddress, ServerProcess
from benchmarks.voters import Ballot

#: Until Redis listens.
START_TIMEOUT_S = 10.0


@dataclass(eq=False)
class Party:
    """One program under load, with the event that its members vote in."""

    name: str
    port: int
    event: str
    proposal: str
    token: Callable[[str], str]
    pids: dict[str, Callable[[], Sequence[int]]]
    """The processes, by what they are called in the results; the first is the server itself."""

    async def members(self, users: Sequence[str]) -> list[Member]:
        """A socket of each user."""
        return [await Member.connect(HOST, self.port, self.token(user)) for user in users]

    def ballot(self) -> Ballot:
        """The ballot that one voter votes on."""
        return Ballot(self.event, self.proposal)

    def used(self) -> dict[str, float]:
        """Processor seconds so far, by part; the server's also as user and system time."""
        found = {part: processor_seconds(pids()) for part, pids in self.pids.items()}
        [server] = next(iter(self.pids.values()))()
        found["user"], found["system"] = processor_times(server)
        return found

    async def measure(
        self, voters: Sequence[Member], watchers: Sequence[Member], *, inflight: int, seconds: float
    ) -> Measured:
        """Let ``voters`` vote while ``watchers`` have subscribed."""
        # The effects of another party's run must settle first.
        await asyncio.sleep(0.2)
        await self._each(watchers, "subscribe")
        try:
            return await measure(
                voters, watchers, self.ballot, self.used, inflight=inflight, seconds=seconds
            )
        finally:
            await self._each(watchers, "unsubscribe")

    async def _each(self, watchers: Sequence[Member], request: str) -> None:
        await asyncio.gather(*(w.request(request, event=self.event) for w in watchers))


async def ayes(server: ServerProcess, users: Sequence[str], name: str = "Ayes") -> Party:
    """A room of ``users`` on a running server."""
    admin = await Client.connect(HOST, server.port, server.token(users[0]))
    gathering = await gather(admin, members=max(2, len(users)))
    await join(server, gathering.code, users[1:])
    admin.close()
    postmaster = server.postgres.pid
    return Party(
        name,
        server.port,
        gathering.event,
        gathering.proposals[0],
        server.token,
        {
            "server": lambda: [server.pid],
            "postgresql": lambda: [postmaster, *children(postmaster)],
        },
    )


@asynccontextmanager
async def redis_room(
    peers: Peers, token: Callable[[str], str], *, tick_ms: int
) -> AsyncIterator[Party]:
    """Node's ``ws`` and a Redis that syncs each write, with a tally every ``tick_ms``."""
    async with _redis(peers) as (pid, port):
        command = (peers.node, peers.script("room.js"), str(peers.directory), str(port))
        async with started(*command) as child:
            ready = await child.told()
            await child.ask({"tell": tick_ms})
            yield Party(
                "ws + Redis",
                *(ready["port"], ready["event"], ready["proposal"], token),
                {"server": lambda: [child.pid], "redis": lambda: [pid]},
            )


@asynccontextmanager
async def transactions(
    peers: Peers, address: PostgresAddress, token: Callable[[str], str]
) -> AsyncIterator[Party]:
    """FastAPI and SQLAlchemy on the PostgreSQL of the server, in a database of their own."""
    connection = await asyncpg.connect(address.url("postgres"))
    try:
        await connection.execute('CREATE DATABASE "transactions"')
    finally:
        await connection.close()
    url = address.url("transactions").replace("postgresql://", "postgresql+asyncpg://", 1)
    command = (sys.executable, peers.script("transactions.py"), url)
    async with started(*command, env=peers.python()) as child:
        ready = await child.told()
        yield Party(
            "FastAPI + SQLAlchemy",
            *(ready["port"], ready["event"], ready["proposal"], token),
            {
                "server": lambda: [child.pid],
                "postgresql": lambda: [address.pid, *children(address.pid)],
            },
        )


@asynccontextmanager
async def _redis(peers: Peers) -> AsyncIterator[tuple[int, int]]:
    directory = Path(tempfile.mkdtemp(prefix="ayes-redis-"))
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    process = await asyncio.create_subprocess_exec(
        *(peers.redis, "--port", str(port), "--bind", HOST, "--dir", str(directory)),
        *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
    )
    try:
        await _until_listening(port)
        yield process.pid, port
    finally:
        process.kill()
        await process.wait()
        shutil.rmtree(directory, ignore_errors=True)


async def _until_listening(port: int) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return
