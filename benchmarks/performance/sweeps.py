"""Rate and p99 against the number of voters, of watchers, and of members."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.installing import Peers
from benchmarks.performance.member import Measured, Member
from benchmarks.performance.parties import Party, ayes, redis_room
from benchmarks.performance.plan import Plan
from benchmarks.performance.rooms import TICK_MS
from benchmarks.rig import close
from benchmarks.server_process import running

#: Voters of the sweeps over watchers and members.
VOTERS = 10


@dataclass
class Sweep:
    """One plot: what grows, and for each party a point at each size."""

    name: str
    title: str
    grows: str
    points: dict[str, dict[int, list[Measured]]] = field(default_factory=dict)

    def add(self, party: str, size: int, run: Measured) -> None:
        """Add one repetition."""
        self.points.setdefault(party, {}).setdefault(size, []).append(run)

    def as_json(self) -> dict[str, Any]:
        """The medians of each point, and its repetitions."""
        return {
            "name": self.name,
            "title": self.title,
            "grows": self.grows,
            "parties": {
                party: [
                    {
                        "at": size,
                        "rate": round(statistics.median(run.rate for run in runs), 1),
                        "p99_ms": round(statistics.median(run.p99 for run in runs), 2),
                        "runs": [run.as_json() for run in runs],
                    }
                    for size, runs in sorted(sizes.items())
                ]
                for party, sizes in self.points.items()
            },
        }


async def measure_sweeps(peers: Peers, plan: Plan) -> list[Sweep]:
    """All three, the parties in turns at each point."""
    voters = Sweep("voters", "One proposal, nobody watches, 1 in flight each", "voters")
    watchers = Sweep("watchers", f"{VOTERS} vote, 1 in flight each", "members who watch")
    sizes = Sweep("members", f"{VOTERS} of an event's members vote and watch", "members")
    most = max(*plan.voters, *plan.watchers)
    users = [f"sweep-{number}" for number in range(most)]
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running())
        ours = await ayes(server, users)
        theirs = await stack.enter_async_context(redis_room(peers, server.token, tick_ms=TICK_MS))
        sides = [(party, await party.members(users)) for party in (ours, theirs)]
        for number in range(plan.sweep_rounds):
            order = sides if number % 2 == 0 else sides[::-1]
            for size in plan.voters:
                await _point(voters, order, size, 0, size, plan)
            for size in plan.watchers:
                await _point(watchers, order, VOTERS, size, size, plan)
        for _, members in sides:
            close(members)
        events = [
            await ayes(server, [f"size-{size}-{number}" for number in range(size)])
            for size in plan.members
        ]
        for _ in range(plan.sweep_rounds):
            for size, event in zip(plan.members, events, strict=True):
                few = await event.members([f"size-{size}-{n}" for n in range(VOTERS)])
                run = await event.measure(few, few, inflight=1, seconds=plan.sweep_seconds)
                close(few)
                sizes.add("Ayes", size, run)
    return [voters, watchers, sizes]


async def _point(
    sweep: Sweep,
    order: Sequence[tuple[Party, list[Member]]],
    voting: int,
    watching: int,
    size: int,
    plan: Plan,
) -> None:
    for party, members in order:
        run = await party.measure(
            members[:voting], members[:watching], inflight=1, seconds=plan.sweep_seconds
        )
        sweep.add(party.name, size, run)
