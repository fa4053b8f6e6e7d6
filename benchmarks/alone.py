"""One vote at a time: the time until its ack, and until every watcher has it."""

from __future__ import annotations

import statistics

from benchmarks.child import Child
from benchmarks.gathering import gather, join
from benchmarks.pgbench import PeerRun
from benchmarks.report import Row, Target
from benchmarks.rig import Rig, close
from benchmarks.server_process import HOST
from benchmarks.voters import Ballot, LoadRun, Voter, alternate, percentiles
from benchmarks.watchers import watching

WATCHERS = 100
#: Seconds between an answer and the next command, so that each finds an idle system.
GAP = 0.02
PEER = "pgbench, 1 client, p50"
PEER_APART = "pgbench, 1 client, 50 a second, p50"
PEER_LEAN = "pgbench, 1 client, fewest round trips, p50"
BARE = "a bare commit, p50"


class Rows:
    """The lines of this trial."""

    def __init__(self) -> None:
        must = Target(2, 1.5, "less")
        must_watched = Target(3, 2, "less")
        self.alone = Row("ack, idle, one after another, p50", "ms", PEER, must)
        self.apart = Row("ack, idle, 20 ms apart, p50", "ms", PEER_APART, must)
        self.lean = Row("ack, idle, one after another, p50", "ms", PEER_LEAN)
        self.watched = Row("ack, 100 watching, one after another, p50", "ms", PEER)
        self.watched_apart = Row(
            "ack, 100 watching, 20 ms apart, p50", "ms", PEER_APART, must_watched
        )
        self.last_median = Row("vote → last of 100 has it, 20 ms apart, p50", "ms", BARE)
        self.last = Row(
            "vote → last of 100 has it, 20 ms apart, p99", "ms", BARE, Target(10, 5, "less")
        )
        self.last_ms = Row("the same, in ms", "ms", target=Target(25, 25, "less"))

    def all(self) -> list[Row]:
        """In the order of the table."""
        return list(vars(self).values())


class Peers:
    """Results of pgbench for one vote at a time, and for a commit alone."""

    def __init__(self, closely: PeerRun, apart: PeerRun, lean: PeerRun, bare: PeerRun) -> None:
        self.closely, self.apart, self.lean, self.bare = closely, apart, lean, bare

    @classmethod
    async def measured(cls, rig: Rig) -> Peers:
        """Measure all four now."""
        seconds = rig.plan.peer_seconds
        return cls(
            await rig.peer.votes(clients=1, seconds=seconds),
            await rig.peer.votes(clients=1, seconds=seconds, rate=1 / GAP),
            await rig.peer.votes(clients=1, seconds=seconds, lean=True),
            await rig.peer.bare_commits(seconds=seconds),
        )


async def measure(rig: Rig) -> list[Row]:
    """Acks alone, then with a hundred members watching."""
    users = [f"alone-{number}" for number in range(WATCHERS + 1)]
    client = await rig.client(users[0])
    gathering = await gather(client, members=len(users))
    await join(rig.server, gathering.code, users[1:])
    voter = Voter(client, [Ballot(gathering.event, gathering.proposals[0])])
    await alternate(voter, rig.meter, count=20, gap=0)
    tokens = [rig.server.token(user) for user in users[1:]]

    rows, count = Rows(), rig.plan.singles
    before = await Peers.measured(rig)
    for _ in range(rig.plan.rounds):
        closely, _ = await alternate(voter, rig.meter, count=count, gap=0)
        apart, _ = await alternate(voter, rig.meter, count=count, gap=GAP)
        async with watching(HOST, rig.server.port, gathering.event, tokens) as watchers:
            watched, _ = await alternate(voter, rig.meter, count=count, gap=0)
            watched_apart, steps = await alternate(voter, rig.meter, count=count, gap=GAP)
            p50, p99 = await _arrivals(watchers, steps)
        after = await Peers.measured(rig)
        _beside(rows.alone, closely, before.closely, after.closely)
        _beside(rows.apart, apart, before.apart, after.apart)
        _beside(rows.lean, closely, before.lean, after.lean)
        _beside(rows.watched, watched, before.closely, after.closely)
        _beside(rows.watched_apart, watched_apart, before.apart, after.apart)
        bare = statistics.mean((before.bare.p50, after.bare.p50))
        rows.last_median.add(p50, bare)
        rows.last.add(p99, bare, before=before.bare.as_json(), after=after.bare.as_json())
        rows.last_ms.add(p99)
        before = after
    close([client])
    return rows.all()


def _beside(row: Row, run: LoadRun, before: PeerRun, after: PeerRun) -> None:
    middle = statistics.mean((before.p50, after.p50))
    row.add(run.p50, middle, ayes=run.as_json(), before=before.as_json(), after=after.as_json())


async def _arrivals(watchers: Child, steps: list[tuple[int, float]]) -> tuple[float, float]:
    """p50 and p99 in ms, from sending a vote to the last watcher's diff."""
    answer = await watchers.ask({"steps": [seq for seq, _ in steps]})
    if answer["gaps"]:
        raise RuntimeError(f"{answer['gaps']} diffs did not follow on what came before")
    waits = [last - sent for last, (_, sent) in zip(answer["last"], steps, strict=True)]
    return percentiles(waits)
