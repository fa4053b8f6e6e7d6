"""What it costs that a room watches, beside Node's ``ws``.

    python -m benchmarks.fanout            about four minutes
    python -m benchmarks.fanout --quick    about one

The peer does nothing but send: no votes, no database, one text prepared once. README.md tells how
to read the table.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

import asyncpg
import uvloop

from benchmarks.broadcast import Broadcast, broadcasting
from benchmarks.child import Child
from benchmarks.gathering import Gathering, gather, join
from benchmarks.listeners import listening
from benchmarks.load import Client
from benchmarks.machine import Machine, resident_kib
from benchmarks.report import Report, Row, Target
from benchmarks.server_process import HOST, ServerProcess, running
from benchmarks.voters import Ballot, Tally, Voter, drain

MEMBERS = 500
VOTERS = 50
INFLIGHT = 16
#: What the peer sends: a step of a vote as long as Ayes would tell it alone.
STEP = (
    '{"type":"diff","event":"0190f0a0-0000-7000-8000-000000000000","from":123456,"seq":123457,'
    '"patch":{"proposals":{"0190f0a0-0000-7000-8000-000000000001":{"agree":57}}}}'
)
#: Sockets of one user in the trials that count sockets, so that members need not be made for each.
SOCKETS_EACH = 20


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 3
    seconds: float = 5.0
    idle: int = 2_000
    crowd: int = 10_000
    storm: int = 2_000


QUICK = Plan(rounds=3, seconds=2.0, idle=500, crowd=2_000, storm=500)


@dataclass(frozen=True)
class Delivered:
    """What the listeners took in one stretch, per second."""

    steps: float
    frames: float
    mbytes: float

    def as_json(self) -> dict[str, float]:
        """For the saved results."""
        return {key: round(value, 1) for key, value in asdict(self).items()}


async def delivered(listeners: Child, seconds: float) -> Delivered:
    """What comes in ``seconds``, once the stream is under way."""
    await asyncio.sleep(0.5)
    before = await listeners.ask({"mark": True})
    await asyncio.sleep(seconds)
    after = await listeners.ask({"mark": True})
    time = after["at"] - before["at"]
    steps, frames, size = ((after[k] - before[k]) / time for k in ("steps", "frames", "bytes"))
    return Delivered(steps, frames, size / 1e6)


async def busy_room(server: ServerProcess, peer: Broadcast, plan: Plan) -> list[Row]:
    """Fifty members vote as fast as they can, and five hundred watch."""
    users = [f"busy-{number}" for number in range(MEMBERS)]
    clients = [await Client.connect(HOST, server.port, server.token(u)) for u in users[:VOTERS]]
    gathering = await gather(clients[0], members=MEMBERS)
    await join(server, gathering.code, users[1:])
    voters = [Voter(c, [Ballot(gathering.event, gathering.proposals[0])]) for c in clients]
    name = f"Node ws, {MEMBERS} sockets"
    steps = Row(
        f"steps × members, {MEMBERS} watch one busy room", "/s", name, target=Target(3, 30, "more")
    )
    frames = Row("frames, the same room", "/s", name)
    votes = Row("votes meanwhile", "/s", "votes with nobody watching")

    async with listening() as ours, listening() as theirs:
        quiet = await _votes(voters, plan.seconds)
        await ours.ask(_opening(server, gathering, users))
        await theirs.ask({"host": HOST, "port": peer.port, "tokens": users})
        for _ in range(plan.rounds):
            rates = []
            await peer.send(STEP)
            rates.append((await delivered(theirs, plan.seconds)).frames)
            await peer.send(None)
            tally = _start(voters)
            before = tally.acks
            got = await delivered(ours, plan.seconds)
            rate = (tally.acks - before) / plan.seconds
            await drain(voters, tally)
            tally.check()
            await peer.send(STEP)
            rates.append((await delivered(theirs, plan.seconds)).frames)
            await peer.send(None)
            rival = statistics.mean(rates)
            steps.add(got.steps, rival, ayes=got.as_json())
            frames.add(got.frames, rival, ayes=got.as_json())
            votes.add(rate, quiet)
    _close(clients)
    return [steps, frames, votes]


def _start(voters: list[Voter]) -> Tally:
    tally = Tally()
    for voter in voters:
        voter.start(tally, inflight=INFLIGHT, batched=False)
    return tally


async def _votes(voters: list[Voter], seconds: float) -> float:
    tally = _start(voters)
    await asyncio.sleep(0.5)
    before = tally.acks
    await asyncio.sleep(seconds)
    rate = (tally.acks - before) / seconds
    await drain(voters, tally)
    tally.check()
    return rate


async def idle_sockets(server: ServerProcess, peer: Broadcast, plan: Plan) -> list[Row]:
    """Resident memory that sockets cost which are subscribed and silent."""
    row = Row("an idle subscribed socket, resident", "KiB", "Node ws, an open socket")
    for number in range(plan.rounds):
        users, gathering, clients = await _room(server, f"idle-{number}", plan.idle)
        async with listening() as ours, listening() as theirs:
            # The first sockets pay for what all share.
            await ours.ask(_opening(server, gathering, users[:100]))
            before = await _resident(server.pid)
            await ours.ask(_opening(server, gathering, users))
            ayes = (await _resident(server.pid) - before) / plan.idle
            await theirs.ask({"host": HOST, "port": peer.port, "tokens": users[:100]})
            before = await _resident(peer.child.pid)
            await theirs.ask({"host": HOST, "port": peer.port, "tokens": users})
            row.add(ayes, (await _resident(peer.child.pid) - before) / plan.idle)
        _close(clients)
        await asyncio.sleep(1.0)
    limit = Row("the same, against 1 KiB", "KiB", "1 KiB", target=Target(30, 20, "less"))
    for sample in row.samples:
        limit.add(sample.value, 1.0)
    return [row, limit]


async def crowd(server: ServerProcess, plan: Plan) -> list[Row]:
    """Resident memory of a server with many sockets in four rooms."""
    row = Row(f"{plan.crowd:,} sockets in 4 rooms, resident", "MiB", "1 MiB")
    row.target = Target(400, 250, "less")
    clients: list[Client] = []
    async with listening() as ours:
        for number in range(4):
            users, gathering, made = await _room(server, f"crowd-{number}", plan.crowd // 4)
            await ours.ask(_opening(server, gathering, users))
            clients += made
        row.add(await _resident(server.pid) / 1024, 1.0)
    _close(clients)
    return [row]


async def storm(server: ServerProcess, plan: Plan) -> list[Row]:
    """Many sockets come back at once, each a little behind."""
    row = Row(f"{plan.storm:,} sockets resume at once, p99", "ms", "1 s")
    row.target = Target(5, 2, "less")
    work = Row("transactions of PostgreSQL for each", "", "one", target=Target(3, 1, "less"))
    users, gathering, clients = await _room(server, "storm", plan.storm)
    answer = await clients[0].request("subscribe", event=gathering.event)
    position = [gathering.event, answer["epoch"], answer["seq"]]
    voter = Voter(clients[0], [Ballot(gathering.event, gathering.proposals[0])])
    for _ in range(plan.rounds):
        tally = Tally()
        for _ in range(50):
            voter.vote(tally)
        await drain([voter], tally)
        async with listening() as ours:
            before = await _transactions(server)
            spec = {"host": HOST, "port": server.port, "at": position}
            tokens = {user: server.token(user) for user in set(users)}
            answer = await ours.ask({**spec, "resume": [tokens[user] for user in users]})
            p99 = statistics.quantiles(answer["waited"], n=100, method="inclusive")[98]
            row.samples.append(_seconds(p99))
            await asyncio.sleep(1.5)
            work.add((await _transactions(server) - before) / plan.storm, 1.0)
        await asyncio.sleep(1.0)
    _close(clients)
    return [row, work]
