"""Whether a vote costs more in a large event than in a small one."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.gathering import gather, join
from benchmarks.load import Client
from benchmarks.report import Row, Target
from benchmarks.rig import Rig, close
from benchmarks.voters import Ballot, Voter

#: The load is the same in every event, whatever its size.
VOTERS = 10
INFLIGHT = 4
#: Proposals with votes in every event, whatever its number of proposals.
PROPOSALS = 10
#: The maximum of pending proposals in an event.
MANY_PROPOSALS = 1_000


@dataclass(frozen=True)
class Size:
    """The size of an event."""

    members: int
    proposals: int

    def __str__(self) -> str:
        return f"{self.members:,} members, {self.proposals:,} proposals"


async def measure(rig: Rig) -> list[Row]:
    """Time and processor time of a vote in each size, against the smallest in the same round."""
    smallest, *larger = [Size(members, PROPOSALS) for members in rig.plan.sizes]
    larger.append(Size(smallest.members, MANY_PROPOSALS))
    voters = {size: await _voters(rig, size) for size in (smallest, *larger)}
    target = Target(1.5, 1.1, "less")
    times = {s: Row(f"time of a vote, {s}", "µs", str(smallest), target=target) for s in larger}
    costs = {s: Row(f"processor time, {s}", "µs", str(smallest), target=target) for s in larger}

    for _ in range(max(5, rig.plan.rounds)):
        base = await rig.drive(voters[smallest], inflight=INFLIGHT)
        for size in larger:
            run = await rig.drive(voters[size], inflight=INFLIGHT)
            detail = {"large": run.as_json(), "small": base.as_json()}
            times[size].add(1e6 / run.rate, 1e6 / base.rate, **detail)
            costs[size].add(run.total_us, base.total_us)
    close([voter.client for group in voters.values() for voter in group])
    return [*times.values(), *costs.values()]


async def _voters(rig: Rig, size: Size) -> list[Voter]:
    """Ten members of a new event of this size, all of them watching it."""
    name = f"growth-{size.members}-{size.proposals}"
    users = [f"{name}-{number}" for number in range(size.members)]
    clients: list[Client] = await rig.clients(users[:VOTERS])
    gathering = await gather(clients[0], members=size.members, proposals=size.proposals)
    await join(rig.server, gathering.code, users[1:])
    for client in clients:
        await client.request("subscribe", event=gathering.event)
    chosen = gathering.proposals[:PROPOSALS]
    return [Voter(c, [Ballot(gathering.event, p) for p in chosen]) for c in clients]
