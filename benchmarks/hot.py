"""One hot proposal: a hundred members vote on the same words at the same time."""

from __future__ import annotations

import asyncio
import statistics

from benchmarks.gathering import gather, join
from benchmarks.report import Row, Target
from benchmarks.rig import Rig, close
from benchmarks.voters import Ballot, Voter

VOTERS = 100
PEER = "pgbench, 32 clients, one event"


async def measure(rig: Rig) -> list[Row]:
    """Measure one and sixteen in flight, with pgbench before and after."""
    users = [f"hot-{number}" for number in range(VOTERS)]
    clients = await rig.clients(users)
    gathering = await gather(clients[0], members=VOTERS)
    await join(rig.server, gathering.code, users[1:])
    voters = [Voter(c, [Ballot(gathering.event, gathering.proposals[0])]) for c in clients]

    one = Row("votes, one proposal, 100 voters, 1 in flight each", "/s", PEER)
    one.target = Target(8, 15, "more")
    many = Row("the same, 16 in flight, a frame each", "/s", PEER)
    many.target = Target(15, 25, "more")
    batches = Row("the same, 16 in flight, what is due in one frame", "/s", PEER)
    batches.target = many.target
    watched = Row("the same, 1 in flight, all 100 watching too", "/s", PEER)
    lean = Row(
        "votes, one proposal, 100 voters, 1 in flight each", "/s", f"{PEER}, fewest round trips"
    )

    before = await rig.peer.votes(clients=32, seconds=rig.plan.peer_seconds)
    for _ in range(rig.plan.rounds):
        runs = {
            one: await rig.drive(voters),
            many: await rig.drive(voters, inflight=16),
            batches: await rig.drive(voters, inflight=16, batched=True),
        }
        await asyncio.gather(*(c.request("subscribe", event=gathering.event) for c in clients))
        runs[watched] = await rig.drive(voters)
        await asyncio.gather(*(c.request("unsubscribe", event=gathering.event) for c in clients))
        fewest = await rig.peer.votes(clients=32, seconds=rig.plan.peer_seconds, lean=True)
        after = await rig.peer.votes(clients=32, seconds=rig.plan.peer_seconds)
        rate = statistics.mean((before.rate, after.rate))
        peers = {"before": before.as_json(), "after": after.as_json()}
        for row, run in runs.items():
            row.add(run.rate, rate, ayes=run.as_json(), **peers)
        lean.add(runs[one].rate, fewest.rate, ayes=runs[one].as_json(), after=fewest.as_json())
        before = after
    close(clients)
    return [one, many, batches, watched, lean]
