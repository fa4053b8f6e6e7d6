"""A normal room, and one hot proposal, against Node's ``ws`` with Redis."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

from benchmarks.peers.installing import Peers
from benchmarks.performance.member import Measured, Member
from benchmarks.performance.parties import Party, ayes, redis_room, transactions
from benchmarks.performance.plan import Plan
from benchmarks.pgbench import Peer
from benchmarks.report import Row, Target
from benchmarks.rig import close
from benchmarks.server_process import ServerProcess, running

MEMBERS = 100
#: Milliseconds between two tallies of the peer.
TICK_MS = 4
USERS = [f"member-{number}" for number in range(MEMBERS)]

_PEER = "ws + Redis, newest tally every 4 ms"
_EACH = "ws + Redis, a frame a vote"


class Rows:
    """The lines of these trials."""

    def __init__(self) -> None:
        target = Target(0.55, 0.8, "more")
        self.room = Row("a room as it is: 100 watch and vote, 1 in flight", "/s", _PEER, target)
        self.room_p99 = Row("the same, p99 of an ack", "ms", _PEER)
        self.room_cpu = Row("the same, the server's processor time a vote", "µs", "Node")
        self.room_each = Row("a room as it is: 100 watch and vote, 1 in flight", "/s", _EACH)
        self.room_sql = Row(
            "a room as it is: 100 watch and vote, 1 in flight", "/s", "FastAPI + SQLAlchemy"
        )
        self.one = Row("nobody watches, 1 in flight", "/s", "ws + Redis", target)
        self.one_cpu = Row(
            "the same, the server's processor time a vote", "µs", target=Target(60, 45, "less")
        )
        self.many = Row("nobody watches, 16 in flight", "/s", "ws + Redis", target)
        self.many_cpu = Row(
            "the same, the server's processor time a vote", "µs", target=Target(40, 30, "less")
        )
        self.bare = Row("nobody watches, 1 in flight", "/s", "pgbench, 32 clients, one event")

    def all(self) -> list[Row]:
        """In the order of the table."""
        return [row for row in vars(self).values() if row.samples]


async def measure_rooms(peers: Peers, plan: Plan) -> list[Row]:
    """Measure all of it, on as many starts of each program as the plan has."""
    rows = Rows()
    for start in range(plan.starts):
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(running())
            ours = await ayes(server, USERS)
            theirs = await stack.enter_async_context(
                redis_room(peers, server.token, tick_ms=TICK_MS)
            )
            sides = [(ours, await ours.members(USERS)), (theirs, await theirs.members(USERS))]
            for number in range(plan.rounds):
                order = sides if (start + number) % 2 == 0 else sides[::-1]
                await _round(rows, order, plan)
            await _others(rows, peers, plan, server, sides[0])
            pgbench = Peer(server.postgres)
            await pgbench.prepare()
            bare = await pgbench.votes(clients=32, seconds=plan.seconds)
            rows.bare.add(rows.one.samples[-1].value, bare.rate, pgbench=bare.as_json())
            for _, members in sides:
                close(members)
    return rows.all()


async def _round(rows: Rows, order: Sequence[tuple[Party, list[Member]]], plan: Plan) -> None:
    """Measure each of the three loads, on both sides one after the other."""
    for watched, inflight, row in (
        (True, 1, rows.room),
        (False, 1, rows.one),
        (False, 16, rows.many),
    ):
        runs: dict[str, Measured] = {}
        for party, members in order:
            runs[party.name] = await party.measure(
                members, members if watched else [], inflight=inflight, seconds=plan.seconds
            )
        mine, peer = runs["Ayes"], runs["ws + Redis"]
        row.add(mine.rate, peer.rate, ayes=mine.as_json(), theirs=peer.as_json())
        if row is rows.room:
            rows.room_p99.add(mine.p99, peer.p99)
            rows.room_cpu.add(mine.us("server"), peer.us("server"))
        elif row is rows.one:
            rows.one_cpu.add(mine.us("server"))
        else:
            rows.many_cpu.add(mine.us("server"))


async def _others(
    rows: Rows,
    peers: Peers,
    plan: Plan,
    server: ServerProcess,
    ours: tuple[Party, list[Member]],
) -> None:
    """A frame per vote, and one transaction per vote: once a start, with the server beside each."""
    party, members = ours
    async with redis_room(peers, server.token, tick_ms=0) as peer:
        await _beside(rows.room_each, party, members, peer, plan)
    async with transactions(peers, server.postgres, server.token) as peer:
        await _beside(rows.room_sql, party, members, peer, plan)


async def _beside(row: Row, party: Party, members: list[Member], peer: Party, plan: Plan) -> None:
    mine = await party.measure(members, members, inflight=1, seconds=plan.seconds)
    theirs = await peer.members(USERS)
    run = await peer.measure(theirs, theirs, inflight=1, seconds=plan.seconds)
    close(theirs)
    row.add(mine.rate, run.rate, ayes=mine.as_json(), theirs=run.as_json())
