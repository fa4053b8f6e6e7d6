"""The needs of a million connected members: a simulation, based on measured costs.

    python -m benchmarks.million [--members N] [--votes PER_MEMBER_AND_HOUR] [--seed S]

It cannot be run on one machine, so it is computed. Rooms of many sizes are drawn, and their members
placed on nodes. The work of every vote is charged to the part that does it, by the costs in
``results/nodes.json`` and ``results/crowd.json``. What it leaves out: networks, garbage, and that a
machine at 60 % answers later than one at rest. The draw is seeded; the same seed gives the same
table.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import orjson
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"
#: Members of a room: log-normal, so that most rooms are small and a few are very large.
MEDIAN_ROOM, SPREAD_ROOM, LARGEST_ROOM = 12, 1.4, 20_000
#: Maximum load of a node's one core; the rest is for the moment when everyone comes back.
BUSY = 0.6
#: Sockets of a node, by its own limit (AYES_CONNECTIONS).
SOCKETS = 20_000
#: Members of a room that a node of its own takes; a very large room has several such nodes.
TOGETHER = 500
#: Nodes that are tried; beyond that, another design is needed.
MAX_NODES = 250
#: Seconds between two frames to a socket (FRAME_INTERVAL_S): closer steps share one.
FRAME_INTERVAL_S = 0.004
#: Seconds between two heartbeats of a socket, and two looks at the rooms' tops.
HEARTBEAT, SWEEP = 20.0, 1.0

#: The node of a member's socket: any node, or the room's own (one room each is counted).
Placement = Literal["any", "own"]


@dataclass(frozen=True)
class Costs:
    """The measured costs; processor time in seconds, memory in bytes."""

    vote_node: float
    vote_postgresql: float
    moved_node: float
    moved_postgresql: float
    """Additional cost of a vote in an event that another node has moved since: it is read again."""
    vote_wal: float
    frame: float
    frame_bytes: float
    hint_node: float
    hint_postgresql: float
    socket: float
    base: float

    @classmethod
    def measured(cls) -> Costs:
        """The costs in the saved results; raises if there are none."""
        nodes, crowd = _saved("nodes"), _saved("crowd")
        hint, load = "a hint answered from the journal", "1,000 events, one node, no Redis"
        cpu = ("nodes' processor time a vote", "PostgreSQL's processor time a vote")
        # Four voters, two on each node: every second vote follows one from the other node.
        more = [
            2
            * (
                nodes[f"1,000 events, two nodes: {what}"]["value"]
                - nodes[f"{load}: {what}"]["value"]
            )
            for what in cpu
        ]
        [each] = [row for row in crowd.values() if row["what"] == "one of them"]
        return cls(
            vote_node=nodes[f"{load}: {cpu[0]}"]["value"] / 1e6,
            vote_postgresql=nodes[f"{load}: {cpu[1]}"]["value"] / 1e6,
            moved_node=more[0] / 1e6,
            moved_postgresql=more[1] / 1e6,
            vote_wal=nodes[f"{load}: write-ahead log a vote"]["value"],
            frame=nodes["the watched node's processor time a frame, the same"]["value"] / 1e6,
            frame_bytes=nodes["a frame, the same"]["value"],
            hint_node=nodes[f"{hint}: the node's processor time"]["value"] / 1e6,
            hint_postgresql=nodes[f"{hint}: PostgreSQL's processor time"]["value"] / 1e6,
            socket=each["value"] * 1024,
            base=each["samples"][0]["before_mib"] * 2**20,
        )


def _saved(name: str) -> dict[str, dict[str, Any]]:
    found = orjson.loads((RESULTS / f"{name}.json").read_bytes())
    return {row["what"]: row for row in found["rows"]}


def rooms_of(members: int, chance: random.Random) -> list[int]:
    """Sizes of rooms; each member is in one of them."""
    sizes = []
    while members > 0:
        drawn = MEDIAN_ROOM * chance.lognormvariate(0, SPREAD_ROOM)
        sizes.append(min(members, max(2, min(LARGEST_ROOM, round(drawn)))))
        members -= sizes[-1]
    return sizes


@dataclass
class Load:
    """The load of all nodes in one second."""

    nodes: list[float]
    """Processor time of each node."""
    sockets: list[int]
    postgresql: float = 0.0
    wal: float = 0.0
    hints: float = 0.0
    """Messages delivered by Redis."""
    published: float = 0.0
    frames: float = 0.0
    watched: Counter[int] = field(default_factory=Counter)
    """Rooms of each node."""


def simulate(
    sizes: list[int], nodes: int, votes: float, place: Placement, costs: Costs, seed: int
) -> Load:
    """The load of one second on ``count`` nodes, with ``votes`` per member and second."""
    chance = random.Random(seed)
    beat = costs.frame / HEARTBEAT
    load = Load([0.0] * nodes, [0] * nodes)
    for size in sizes:
        at = _placed(size, nodes, place, chance)
        rate = size * votes
        # Steps within an interval share a frame; steps that come during a read share the next read,
        # which takes all new ones.
        moves = rate / (1 + rate * FRAME_INTERVAL_S)
        # Whether the previous vote came from another node.
        moved = 1 - sum((here / size) ** 2 for here in at.values())
        vote = costs.vote_node + moved * costs.moved_node
        for node, here in at.items():
            load.nodes[node] += here * (votes * vote + moves * costs.frame + beat)
            load.sockets[node] += here
            load.watched[node] += 1
            load.frames += here * moves
            # Hints of steps on other nodes: none if all members are here.
            heard = moves * (1 - here / size)
            load.nodes[node] += heard * costs.hint_node
            load.postgresql += heard * costs.hint_postgresql
        load.postgresql += rate * (costs.vote_postgresql + moved * costs.moved_postgresql)
        load.wal += rate * costs.vote_wal
        if len(at) > 1:
            load.published += rate
            load.hints += rate * (len(at) - 1)
    return load


def _placed(size: int, nodes: int, place: Placement, chance: random.Random) -> Counter[int]:
    """The number of a room's members on each node."""
    if place == "any":
        return Counter(chance.randrange(nodes) for _ in range(size))
    # Its own node, and for very large rooms, the next ones.
    first = chance.randrange(nodes)
    return Counter((first + number // TOGETHER) % nodes for number in range(size))


def enough(
    sizes: list[int], votes: float, place: Placement, costs: Costs, seed: int
) -> tuple[int, Load]:
    """Nodes of which the busiest stays under ``BUSY`` and its limit of sockets, and their load.

    Looked for in steps of a quarter, up to ``MAX_NODES``: where every vote is news to most of
    the nodes, more of them only means more who hear it.
    """
    nodes = max(1, -(-sum(sizes) // SOCKETS))
    while True:
        load = simulate(sizes, nodes, votes, place, costs, seed)
        fits = max(load.nodes) <= BUSY and max(load.sockets) <= SOCKETS
        if fits or nodes >= MAX_NODES:
            return nodes, load
        nodes = min(MAX_NODES, nodes + max(1, nodes // 4))


def table_of(members: int, hourly: float, seed: int) -> Table:
    """Both placements, side by side."""
    costs = Costs.measured()
    sizes = rooms_of(members, random.Random(seed))
    table = Table(title=f"{members:,} members, {len(sizes):,} rooms, {hourly:g} votes an hour each")
    table.add_column("in a second")
    columns = []
    for place in ("any", "own"):
        nodes, load = enough(sizes, hourly / 3_600, place, costs, seed)
        table.add_column("sockets anywhere" if place == "any" else "a room's on one node")
        columns.append(_column(load, nodes, sum(sizes) * hourly / 3_600, costs))
    for what in columns[0]:
        table.add_row(what, *(column[what] for column in columns))
    return table


def _column(load: Load, nodes: int, votes: float, costs: Costs) -> dict[str, str]:
    memory = max(costs.base + count * costs.socket for count in load.sockets) / 2**20
    return {
        "nodes (a core each)": f"{nodes:,}" if max(load.nodes) <= BUSY else f"over {nodes:,}",
        "busiest node, of its core": f"{max(load.nodes):.0%}",
        "mean node": f"{sum(load.nodes) / nodes:.0%}",
        "largest node, memory": f"{memory:,.0f} MiB",
        "votes": f"{votes:,.0f}",
        "frames to members": f"{load.frames:,.0f}",
        "bytes to members": f"{load.frames * costs.frame_bytes / 1e6:,.0f} MB",
        "messages into Redis": f"{load.published:,.0f}",
        "messages out of Redis": f"{load.hints:,.0f}",
        "PostgreSQL, cores": f"{load.postgresql:.1f}",
        "PostgreSQL, write-ahead log": f"{load.wal / 1e6:.1f} MB",
        "PostgreSQL, asked for tops": f"{sum(load.watched.values()) / SWEEP:,.0f} rooms",
    }


def main() -> int:
    """Read the arguments and simulate."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--votes", type=float, action="append", help="an hour and member")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    console = Console(width=110, highlight=False)
    for hourly in given.votes or (6.0, 60.0):
        console.print(table_of(given.members, hourly, given.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
