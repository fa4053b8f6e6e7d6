"""One vote at a time: how long until its ack, and until everyone who watches has it."""

from __future__ import annotations

from benchmarks.child import Child
from benchmarks.gathering import gather, join
from benchmarks.report import Row, Target
from benchmarks.rig import Rig, close
from benchmarks.server_process import HOST
from benchmarks.voters import Ballot, Voter, alternate, percentiles
from benchmarks.watchers import watching

WATCHERS = 100
#: Between an answer and the next command, where each is to find the system at rest.
GAP = 0.02
PEER = "pgbench, 1 client, p50"
BARE = "a bare commit, p50"


class Rows:
    """The lines of this trial."""

    def __init__(self) -> None:
        self.alone = Row("ack of one vote, idle, p50", "ms", PEER)
        self.alone.target = Target(2, 1.5, "less")
        self.alone_apart = Row("ack of one vote, idle, 20 ms apart, p50", "ms", PEER)
        self.lean = Row("ack of one vote, idle, p50", "ms", f"{PEER}, fewest round trips")
        self.watched = Row("ack of one vote, 100 watching, 20 ms apart, p50", "ms", PEER)
        self.watched.target = Target(3, 2, "less")
        self.watched_closely = Row("ack of one vote, 100 watching, at once again, p50", "ms", PEER)
        self.last = Row("vote → last of 100 has it, 20 ms apart, p99", "ms", BARE)
        self.last.target = Target(10, 5, "less")
        self.last_ms = Row("the same, in ms", "ms")
        self.last_ms.target = Target(25, 25, "less")
        self.last_median = Row("the same, p50", "ms", BARE)

    def all(self) -> list[Row]:
        """In the order of the table."""
        return list(vars(self).values())


async def measure(rig: Rig) -> list[Row]:
    """Acks alone, then with a hundred members watching."""
    users = [f"alone-{number}" for number in range(WATCHERS + 1)]
    client = await rig.client(users[0])
    gathering = await gather(client, members=len(users))
    await join(rig.server, gathering.code, users[1:])
    voter = Voter(client, [Ballot(gathering.event, gathering.proposals[0])])
    await alternate(voter, rig.meter, count=20, gap=0)
    tokens = [rig.server.token(user) for user in users[1:]]

    rows, count, seconds = Rows(), rig.plan.singles, rig.plan.peer_seconds
    for _ in range(rig.plan.rounds):
        peer = await rig.peer.votes(clients=1, seconds=seconds)
        fewest = await rig.peer.votes(clients=1, seconds=seconds, lean=True)
        bare = await rig.peer.bare_commits(seconds=seconds)
        closely, _ = await alternate(voter, rig.meter, count=count, gap=0)
        apart, _ = await alternate(voter, rig.meter, count=count, gap=GAP)
        for row, run in ((rows.alone, closely), (rows.alone_apart, apart)):
            row.add(run.p50, peer.p50, ayes=run.as_json(), pgbench=peer.as_json())
        rows.lean.add(closely.p50, fewest.p50, ayes=closely.as_json(), pgbench=fewest.as_json())
        async with watching(HOST, rig.server.port, gathering.event, tokens) as watchers:
            for row, gap in ((rows.watched_closely, 0.0), (rows.watched, GAP)):
                run, steps = await alternate(voter, rig.meter, count=count, gap=gap)
                row.add(run.p50, peer.p50, ayes=run.as_json(), pgbench=peer.as_json())
                p50, p99 = await _arrivals(watchers, steps)
            detail = {"pgbench": bare.as_json(), "p50_ms": round(p50, 3), "p99_ms": round(p99, 3)}
            rows.last.add(p99, bare.p50, **detail)
            rows.last_ms.add(p99)
            rows.last_median.add(p50, bare.p50)
    close([client])
    return rows.all()


async def _arrivals(watchers: Child, steps: list[tuple[int, float]]) -> tuple[float, float]:
    """p50 and p99 in ms, from a vote sent to the last watcher's diff."""
    answer = await watchers.ask({"steps": [seq for seq, _ in steps]})
    if answer["gaps"]:
        raise RuntimeError(f"{answer['gaps']} diffs did not follow on what came before")
    waits = [last - sent for last, (_, sent) in zip(answer["last"], steps, strict=True)]
    return percentiles(waits)
