"""A thousand events at once: few commands share a transaction."""

from __future__ import annotations

import asyncio
import random
import statistics

from benchmarks.gathering import Gathering, gather
from benchmarks.load import Client
from benchmarks.report import Row, Target
from benchmarks.rig import Rig, close
from benchmarks.voters import Ballot, Voter

SOCKETS = 200
EVENTS_EACH = 5
MEMBERS = 4
#: Events made, and joins sent, at the same time: from two nodes each is a transaction alone.
MAKING = 16
EVENTS = SOCKETS * EVENTS_EACH
PEER = "pgbench, 32 clients, 1,000 events"


async def measure(rig: Rig) -> list[Row]:
    """One and four in flight over all events, against pgbench before and after."""
    clients = await rig.clients([f"spread-{number}" for number in range(SOCKETS)])
    voters = await voters_of(clients)

    one = Row("votes, 1,000 events, 200 sockets, 1 in flight each", "/s", PEER)
    one.target = Target(2, 4, "more")
    many = Row("the same, 4 in flight, a frame each", "/s", PEER)
    many.target = one.target
    lean = Row(
        "votes, 1,000 events, 200 sockets, 1 in flight each", "/s", f"{PEER}, fewest round trips"
    )

    seconds = rig.plan.peer_seconds
    before = await rig.peer.votes(clients=32, seconds=seconds, events=EVENTS)
    for _ in range(rig.plan.rounds):
        runs = {one: await rig.drive(voters), many: await rig.drive(voters, inflight=4)}
        fewest = await rig.peer.votes(clients=32, seconds=seconds, events=EVENTS, lean=True)
        after = await rig.peer.votes(clients=32, seconds=seconds, events=EVENTS)
        rate = statistics.mean((before.rate, after.rate))
        peers = {"before": before.as_json(), "after": after.as_json()}
        for row, run in runs.items():
            row.add(run.rate, rate, ayes=run.as_json(), **peers)
        lean.add(runs[one].rate, fewest.rate, ayes=runs[one].as_json(), after=fewest.as_json())
        before = after
    close(clients)
    return [one, many, lean]


async def voters_of(clients: list[Client]) -> list[Voter]:
    """Each client makes five events, and its three neighbours join them."""

    gate = asyncio.Semaphore(MAKING)

    async def make(client: Client) -> list[Gathering]:
        async with gate:
            return [await gather(client, members=MEMBERS) for _ in range(EVENTS_EACH)]

    made = await asyncio.gather(*(make(client) for client in clients))
    ballots: list[list[Ballot]] = [[] for _ in clients]

    async def enter(number: int) -> None:
        for distance in range(MEMBERS):
            for gathering in made[(number - distance) % SOCKETS]:
                if distance:
                    async with gate:
                        await clients[number].command("membership.join", code=gathering.code)
                ballots[number].append(Ballot(gathering.event, gathering.proposals[0]))
        random.Random(number).shuffle(ballots[number])

    await asyncio.gather(*(enter(number) for number in range(SOCKETS)))
    return [Voter(c, b) for c, b in zip(clients, ballots, strict=True)]
