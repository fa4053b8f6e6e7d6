"""The gain and the cost of a second node: one and two nodes on one PostgreSQL and one Redis.

    python -m benchmarks.nodes             about eight minutes
    python -m benchmarks.nodes --quick     about three; not saved

The nodes, PostgreSQL, Redis and the load share one machine, so two nodes cannot be twice as
fast as one here. What carries over to more machines is what a vote *costs* each of them: processor
time, statements, bytes. docs/scaling.md goes on from these figures.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any

import asyncpg
import uvloop
from redis.asyncio import Redis

from benchmarks.crowd import Place, folder
from benchmarks.gathering import gather, join
from benchmarks.listeners import listening
from benchmarks.load import Client, Message
from benchmarks.machine import CpuMeter, CpuTime, Machine
from benchmarks.pgbench import version
from benchmarks.report import Report, Row
from benchmarks.rig import close
from benchmarks.server_process import HOST, ServerProcess
from benchmarks.sockets import opening
from benchmarks.spread import SOCKETS, voters_of
from benchmarks.voters import Ballot, LoadRun, Tally, Voter, drain, drive, percentiles
from persistence.database.pool import Database
from persistence.queries import event_reads
from tests.parts import RedisServer

ONE, SHARED, TWO = "one node, no Redis", "one node with Redis", "two nodes"
#: The same two nodes, but all voters of an event are connected to the same one.
APART = "two nodes, each event's voters on one"
VOTERS = 100
MEMBERS = 500
#: Seconds between two votes, so that each finds an idle system.
GAP = 0.02


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 2
    seconds: float = 4.0
    singles: int = 300


QUICK = Plan(rounds=1, seconds=2.0, singles=50)


class Nodes:
    """Running nodes, and what they share."""

    def __init__(self, place: Place, servers: list[ServerProcess], redis: RedisServer) -> None:
        self.place = place
        self.servers = servers
        self.redis = redis

    async def clients(self, users: list[str], *, apart: bool = False) -> list[Client]:
        """A socket of each, the nodes in turns; or ``apart``, the first half on the first."""
        count = len(self.servers)
        turns = [
            self.servers[n * count // len(users) if apart else n % count] for n in range(len(users))
        ]
        pairs = zip(users, turns, strict=True)
        return [await Client.connect(HOST, s.port, s.token(user)) for user, s in pairs]

    def read(self) -> CpuTime:
        """The processor time of all nodes as one server's."""
        first, *others = (CpuMeter(s.pid, s.postgres.pid).read() for s in self.servers)
        server = first.server + sum(other.server for other in others)
        return CpuTime(server, first.postgresql, first.client, first.stolen)

    async def totals(self) -> dict[str, float]:
        """The work of PostgreSQL and Redis so far."""
        connection = await asyncpg.connect(self.place.url)
        wal = await connection.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        await connection.close()
        found = {"statements": float(await self.place.statements()), "wal": float(wal)}
        async with Redis.from_url(self.redis.url) as redis:
            info: dict[str, Any] = await redis.info()
        found["redis_bytes"] = float(info["total_net_input_bytes"] + info["total_net_output_bytes"])
        found["redis_cpu"] = float(info["used_cpu_user"] + info["used_cpu_sys"])
        return found


@asynccontextmanager
async def serving(place: Place, redis: RedisServer, kind: str) -> AsyncIterator[Nodes]:
    """The nodes of a kind, on a Redis that has counted nothing yet."""
    settings = {} if kind == ONE else {"AYES_REDIS_URL": redis.url}
    async with AsyncExitStack() as stack:
        count = 2 if kind == TWO else 1
        servers = [await stack.enter_async_context(place.serving(**settings)) for _ in range(count)]
        yield Nodes(place, servers, redis)


class Costs:
    """Rows of one load: its rate, and the costs of each ack by process."""

    def __init__(self, load: str) -> None:
        self.rate = Row(f"{load}, {TWO}", "/s", ONE)
        self.shared = Row(f"{load}, {SHARED}", "/s", ONE)
        self.apart = Row(f"{load}, {APART}", "/s", ONE)
        self.each = {
            (kind, what): Row(f"{load}, {kind}: {what}", unit)
            for kind in (ONE, TWO, APART)
            for what, unit in (
                ("nodes' processor time a vote", "µs"),
                ("PostgreSQL's processor time a vote", "µs"),
                ("Redis' processor time a vote", "µs"),
                ("SQL statements a vote", ""),
                ("write-ahead log a vote", "B"),
                ("through Redis, in and out, a vote", "B"),
            )
        }
        self._one: LoadRun | None = None

    def add(self, kind: str, run: LoadRun, used: dict[str, float], acks: int) -> None:
        """Add a run; ``used`` has the costs of its ``acks``."""
        if kind == ONE:
            self._one = run
        assert self._one is not None, "the others stand beside it"
        row = {TWO: self.rate, SHARED: self.shared, APART: self.apart}.get(kind)
        if row is not None:
            row.add(run.rate, self._one.rate, ayes=run.as_json(), beside=self._one.as_json())
        values = (
            run.server_us,
            run.total_us - run.server_us,
            used["redis_cpu"] / acks * 1e6,
            used["statements"] / acks,
            used["wal"] / acks,
            used["redis_bytes"] / acks,
        )
        names = [what for found, what in self.each if found == kind]
        for what, value in zip(names, values, strict=bool(names)):
            self.each[kind, what].add(value)

    def rows(self) -> list[Row]:
        """In the order of the table; without values that were not measured."""
        rows = [self.shared, self.rate, self.apart, *self.each.values()]
        return [row for row in rows if row.samples]


async def loaded(nodes: Nodes, voters: list[Voter], plan: Plan, costs: Costs, kind: str) -> None:
    """Run all voters; return the result and its costs."""
    before = await nodes.totals()
    seen = _seqs(voters)
    run = await drive(voters, nodes, inflight=4, seconds=plan.seconds)
    after = await nodes.totals()
    acks = _seqs(voters) - seen
    costs.add(kind, run, {name: after[name] - before[name] for name in after}, acks)


def _seqs(voters: list[Voter]) -> int:
    return sum(voter.turn for voter in voters)


async def votes(nodes: Nodes, kind: str, plan: Plan, hot: Costs, spread: Costs) -> None:
    """Measure one hot proposal, then a thousand events."""
    users = [f"hot-{number}" for number in range(VOTERS)]
    clients = await nodes.clients(users)
    gathering = await gather(clients[0], members=VOTERS)
    await join(nodes.servers[0], gathering.code, users[1:])
    voters = [Voter(c, [Ballot(gathering.event, gathering.proposals[0])]) for c in clients]
    await loaded(nodes, voters, plan, hot, kind)
    close(clients)
    clients = await nodes.clients([f"spread-{number}" for number in range(SOCKETS)])
    await loaded(nodes, await voters_of(clients), plan, spread, kind)
    close(clients)
    if kind == TWO:
        users = [f"apart-{number}" for number in range(SOCKETS)]
        clients = await nodes.clients(users, apart=True)
        await loaded(nodes, await voters_of(clients), plan, spread, APART)
        close(clients)


class Fanning:
    """Rows of a room that is watched on the node with the votes, or on the other one."""

    def __init__(self) -> None:
        here, there = "where the votes are", "on the other node"
        self.steps = Row(f"steps times members a second, 500 watch {there}", "/s", here)
        self.frames = Row("frames a second, the same", "/s", here)
        self.frame = Row("the watched node's processor time a frame, the same", "µs")
        self.bytes = Row("a frame, the same", "B")
        self.near = Row("vote → diff on the same node, p50", "ms")
        self.far = Row("vote → diff on the other node, p50", "ms", "on the same node")
        self.far_99 = Row("the same, p99", "ms", "on the same node, p99")
        self.swept = Row("the same with Redis gone, p50", "ms")
        self.swept_99 = Row("the same with Redis gone, p99", "ms")

    def rows(self) -> list[Row]:
        """In the order of the table."""
        return list(vars(self).values())


async def fan_out(nodes: Nodes, plan: Plan, rows: Fanning) -> None:
    """Fifty vote on the first node; five hundred watch there, then on the second."""
    one, other = nodes.servers
    users = [f"fan-{number}" for number in range(MEMBERS)]
    clients = [await Client.connect(HOST, one.port, one.token(user)) for user in users[:50]]
    gathering = await gather(clients[0], members=MEMBERS)
    await join(one, gathering.code, users[1:])
    voters = [Voter(c, [Ballot(gathering.event, gathering.proposals[0])]) for c in clients]
    here = await _watched(one, opening(one, gathering, users), voters, plan)
    there = await _watched(other, opening(other, gathering, users), voters, plan)
    rows.steps.add(there["steps"], here["steps"])
    rows.frames.add(there["frames"], here["frames"])
    rows.frame.add(there["cpu"] / there["frames"] * 1e6)
    rows.bytes.add(there["bytes"] / there["frames"])
    await _latency(nodes, gathering.event, voters[0], plan, rows)
    close(clients)


async def _watched(
    server: ServerProcess, room: dict[str, Any], voters: list[Voter], plan: Plan
) -> dict[str, float]:
    """The messages to the watchers in a second, and their costs on the watchers' node."""
    tally = Tally()
    meter = CpuMeter(server.pid, server.postgres.pid)
    async with listening() as listeners:
        await listeners.ask(room)
        for voter in voters:
            voter.start(tally, inflight=4, batched=False)
        await asyncio.sleep(0.5)
        before, cpu = await listeners.ask({"mark": True}), meter.read()
        await asyncio.sleep(plan.seconds)
        after, cpu = await listeners.ask({"mark": True}), meter.read() - cpu
        await drain(voters, tally)
    tally.check()
    time = after["at"] - before["at"]
    found = {key: (after[key] - before[key]) / time for key in ("steps", "frames", "bytes")}
    return found | {"cpu": cpu.server / time}


async def _latency(nodes: Nodes, event: str, voter: Voter, plan: Plan, rows: Fanning) -> None:
    """Measure one vote at a time, seen on both nodes; then without Redis."""
    watchers = [
        await Client.connect(HOST, server.port, server.token(f"fan-{number}"))
        for number, server in enumerate(nodes.servers)
    ]
    near, far = await _seen(watchers, event, voter, plan.singles, GAP)
    rows.near.add(percentiles(near)[0])
    rows.far.add(percentiles(far)[0], percentiles(near)[0])
    rows.far_99.add(percentiles(far)[1], percentiles(near)[1])
    nodes.redis.stop()
    _, swept = await _seen(watchers, event, voter, plan.singles // 10, 0.3)
    nodes.redis.start()
    rows.swept.add(statistics.median(swept) * 1e3)
    rows.swept_99.add(percentiles(swept)[1])
    close(watchers)


async def _seen(
    watchers: list[Client], event: str, voter: Voter, count: int, gap: float
) -> list[list[float]]:
    """Seconds from a vote's sending until each watcher had its step."""
    moments: list[list[tuple[int, float]]] = [[] for _ in watchers]
    for client, mine in zip(watchers, moments, strict=True):
        answer = await client.request("subscribe", event=event)
        mine.append((answer["seq"], monotonic()))
        client.listener = _noting(mine)
    tally = Tally(measuring=True)
    sent: list[tuple[int, float]] = []
    voter.on_answer = lambda message, at: sent.append((message["seq"], at))
    for _ in range(count):
        voter.vote(tally)
        await asyncio.sleep(gap)
    await drain([voter], tally)
    voter.on_answer = None
    # The sweep is the longest that any watcher waits.
    for _ in range(300):
        if all(mine[-1][0] >= sent[-1][0] for mine in moments):
            break
        await asyncio.sleep(0.01)
    return [
        [next(at for reached, at in mine if reached >= seq) - begun for seq, begun in sent]
        for mine in moments
    ]


def _noting(mine: list[tuple[int, float]]) -> Any:
    def note(message: Message) -> None:
        if message["type"] == "diff":
            mine.append((message["seq"], monotonic()))

    return note


class Reading:
    """Rows of the cost of a hint at its receiver: the event's position, and the new step."""

    def __init__(self) -> None:
        what = "a hint answered from the journal"
        self.node = Row(f"{what}: the node's processor time", "µs")
        self.postgresql = Row(f"{what}: PostgreSQL's processor time", "µs")
        self.time = Row(f"{what}: one after another, time", "ms")
        self.line = Row("a vote's line in the journal, indexes included, on disk", "B")

    def rows(self) -> list[Row]:
        """In the order of the table."""
        return list(vars(self).values())


async def read(place: Place, plan: Plan, rows: Reading) -> None:
    """Repeat, in this process, the queries of a room that receives a hint."""
    database = Database(place.url, connections=2)
    await database.open()
    try:
        connection = await asyncpg.connect(place.url)
        row = await connection.fetchrow("SELECT id, seq FROM events ORDER BY seq DESC")
        line = await connection.fetchval(
            "SELECT pg_total_relation_size('journal')::float8 / count(*) FROM journal"
        )
        await connection.close()
        assert row is not None
        event, top = row["id"], row["seq"]
        meter = CpuMeter(os.getpid(), place.address.pid)
        count = plan.singles * 10
        cpu, begun = meter.read(), monotonic()
        for number in range(count):
            (found,) = await event_reads.positions(database, [event])
            to = top - number % (top // 2)
            await event_reads.steps(database, event, epoch=found.epoch, after=to - 1, to=to)
        cpu, time = meter.read() - cpu, monotonic() - begun
    finally:
        await database.close()
    rows.node.add(cpu.server / count * 1e6)
    rows.postgresql.add(cpu.postgresql / count * 1e6)
    rows.time.add(time / count * 1e3)
    rows.line.add(line)


async def run(plan: Plan, name: str | None) -> None:
    """Measure everything; print the table, and save it if there is a ``name``."""
    hot, spread = Costs("one hot proposal"), Costs("1,000 events")
    fanning, reads = Fanning(), Reading()
    redis = RedisServer()
    redis.start()
    with folder() as directory:
        place = Place(directory)
        await place.start()
        try:
            machine = Machine.here(await version(place.address))
            for _ in range(plan.rounds):
                for kind in (ONE, SHARED, TWO):
                    async with serving(place, redis, kind) as nodes:
                        await votes(nodes, kind, plan, hot, spread)
                        if kind == TWO:
                            await fan_out(nodes, plan, fanning)
                await read(place, plan, reads)
        finally:
            await place.stop()
            redis.stop()
    heading = {"machine": machine.as_json(), "plan": asdict(plan)}
    rows = [*hot.rows(), *spread.rows(), *fanning.rows(), *reads.rows()]
    report = Report("Nodes", heading, [machine.line()], rows)
    report.show()
    if name:
        print(f"saved: {report.save(name).name}")


def main() -> int:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.nodes", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of it; nothing is saved")
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="repetitions")
    given = parser.parse_args()
    plan = QUICK if given.quick else Plan(rounds=given.rounds)
    uvloop.run(run(plan, None if given.quick else "nodes"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
