"""The cost of idle sockets, and the cost of all reconnecting at once."""

from __future__ import annotations

import asyncio
import statistics
from dataclasses import dataclass

import asyncpg

from benchmarks.broadcast import Broadcast
from benchmarks.child import Words
from benchmarks.gathering import Gathering, gather, join
from benchmarks.listeners import listening
from benchmarks.load import Client
from benchmarks.machine import resident_kib
from benchmarks.report import Row, Target
from benchmarks.rig import close
from benchmarks.server_process import HOST, ServerProcess
from benchmarks.voters import Ballot, Tally, Voter, drain

#: Sockets of one user, so that fewer members than sockets are needed.
SOCKETS_EACH = 20
#: Sockets opened before the counting begins.
WARMING = 100
#: Steps that a reconnecting client has missed.
STEPS_MISSED = 50
#: Seconds until a number of PostgreSQL's or the kernel's has settled.
SETTLE = 1.5


@dataclass(frozen=True)
class Plan:
    """The size of the measurements."""

    rounds: int = 3
    seconds: float = 5.0
    idle: int = 2_000
    crowd: int = 10_000
    storm: int = 2_000


QUICK = Plan(rounds=3, seconds=2.0, idle=500, crowd=2_000, storm=500)


def opening(server: ServerProcess, gathering: Gathering, users: list[str]) -> Words:
    """An order to listeners: a socket in the room for each of ``users``."""
    tokens = {user: server.token(user) for user in set(users)}
    return {
        "host": HOST,
        "port": server.port,
        "event": gathering.event,
        "tokens": [tokens[user] for user in users],
    }


async def room(
    server: ServerProcess, name: str, sockets: int
) -> tuple[list[str], Gathering, Client]:
    """A room for so many sockets: the user of each, what was gathered, and its admin."""
    users = [f"{name}-{number}" for number in range(sockets // SOCKETS_EACH)]
    admin = await Client.connect(HOST, server.port, server.token(users[0]))
    gathering = await gather(admin, members=len(users))
    await join(server, gathering.code, users[1:])
    return [users[number % len(users)] for number in range(sockets)], gathering, admin


async def idle_sockets(server: ServerProcess, peer: Broadcast, plan: Plan) -> list[Row]:
    """Resident memory of subscribed, silent sockets."""
    row = Row("an idle subscribed socket, resident", "KiB", "Node ws, an open socket")
    limit = Row("the same", "KiB", target=Target(30, 20, "less"))
    users, gathering, admin = await room(server, "idle", plan.idle)
    ours_opening = opening(server, gathering, users)
    theirs_opening = {"host": HOST, "port": peer.port, "tokens": users}
    async with listening() as ours, listening() as theirs:
        # The first sockets pay for shared memory.
        await ours.ask({**ours_opening, "tokens": ours_opening["tokens"][:WARMING]})
        await theirs.ask({**theirs_opening, "tokens": users[:WARMING]})
        # Each round adds to the earlier ones, since freed memory would be used again.
        for _ in range(plan.rounds):
            before = await _resident(server.pid)
            await ours.ask(ours_opening)
            ayes = (await _resident(server.pid) - before) / plan.idle
            before = await _resident(peer.child.pid)
            await theirs.ask(theirs_opening)
            row.add(ayes, (await _resident(peer.child.pid) - before) / plan.idle)
            limit.add(ayes)
    close([admin])
    return [row, limit]


async def crowd(server: ServerProcess, peer: Broadcast, plan: Plan) -> list[Row]:
    """Resident memory of a server with many sockets in four rooms."""
    row = Row(f"{plan.crowd:,} sockets in 4 rooms, resident", "MiB")
    row.target = Target(400, 250, "less")
    admins: list[Client] = []
    async with listening() as ours:
        for number in range(4):
            users, gathering, admin = await room(server, f"crowd-{number}", plan.crowd // 4)
            await ours.ask(opening(server, gathering, users))
            admins.append(admin)
        row.add(await _resident(server.pid) / 1024)
    close(admins)
    return [row]


async def storm(server: ServerProcess, peer: Broadcast, plan: Plan) -> list[Row]:
    """Reconnect many sockets at once, each a little behind."""
    row = Row(f"{plan.storm:,} sockets resume at once, p99", "s")
    row.target = Target(5, 2, "less")
    work = Row("transactions of PostgreSQL for each of them", "", target=Target(3, 1, "less"))
    users, gathering, admin = await room(server, "storm", plan.storm)
    answer = await admin.request("subscribe", event=gathering.event)
    position = [gathering.event, answer["epoch"], answer["seq"]]
    voter = Voter(admin, [Ballot(gathering.event, gathering.proposals[0])])
    for _ in range(plan.rounds):
        tally = Tally()
        for _ in range(STEPS_MISSED):
            voter.vote(tally)
        await drain([voter], tally)
        async with listening() as ours:
            before = await _transactions(server)
            spec = {"host": HOST, "port": server.port, "at": position}
            tokens = {user: server.token(user) for user in set(users)}
            answer = await ours.ask({**spec, "resume": [tokens[user] for user in users]})
            p99 = statistics.quantiles(answer["waited"], n=100, method="inclusive")[98]
            row.add(p99)
            await asyncio.sleep(SETTLE)
            work.add((await _transactions(server) - before) / plan.storm)
        await asyncio.sleep(SETTLE)
    close([admin])
    return [row, work]


async def _resident(pid: int) -> int:
    """KiB, once it has settled."""
    await asyncio.sleep(SETTLE)
    return resident_kib(pid)


async def _transactions(server: ServerProcess) -> int:
    """Transactions that PostgreSQL has ended, in all databases."""
    connection = await asyncpg.connect(server.postgres.url("postgres"))
    try:
        count: int = await connection.fetchval(
            "SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database"
        )
    finally:
        await connection.close()
    return count
