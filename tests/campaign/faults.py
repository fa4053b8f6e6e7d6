"""The faults by name, and how often each happens.

Each strikes once, is healed, and reports whether it struck. Faults of one part take turns;
different parts may fail at the same time. A fault of PostgreSQL also takes the nodes' turns, since
a starting node needs its database.
"""

from __future__ import annotations

import random
import re
from collections.abc import Container

from tests.campaign import (
    client_faults,
    clock_faults,
    database_faults,
    network_faults,
    node_faults,
    promotion_faults,
    redis_faults,
)
from tests.campaign.fault import Fault
from tests.campaign.node import POINTS

FAULTS: dict[str, Fault] = {
    **node_faults.FAULTS,
    **database_faults.FAULTS,
    **promotion_faults.FAULTS,
    **clock_faults.FAULTS,
    **network_faults.FAULTS,
    **redis_faults.FAULTS,
    **client_faults.FAULTS,
}
#: How often each happens among as many faults as the sum of these numbers.
MIX: dict[str, int] = {
    **{f"kill -9 {point}": 2 for point in POINTS},
    "node stopped by SIGTERM": 1,
    "COMMIT cut before it goes out": 12,
    "COMMIT cut before its answer": 12,
    "COMMIT frozen": 2,
    "PostgreSQL restarted, immediate": 1,
    "PostgreSQL restarted, fast": 1,
    "PostgreSQL sessions killed": 2,
    "PostgreSQL frozen": 1,
    "event row locked from outside": 1,
    "Redis killed": 2,
    "Redis emptied": 1,
    "Redis frozen": 1,
    "Redis pub/sub cut": 2,
    "Redis absent at start": 1,
    "sockets cut": 8,
    "sockets half-open": 2,
    # Newer faults.
    "clock of the database's machine jumps": 2,
    "clock of a node jumps": 2,
    "disk full": 1,
    "disk slow": 1,
    "disk full, slow, full again": 1,
    "packets late": 1,
    "packets lost": 1,
    "packets cut one way": 2,
    "standby promoted, in step": 1,
    "standby promoted, behind": 1,
    "node paused": 2,
    "node starved of processor": 2,
    "commands kept in outboxes": 2,
    "old outboxes sent": 2,
}
assert set(MIX) == set(FAULTS)


def left_out(missing: Container[str]) -> list[str]:
    """The faults that need a piece of equipment that is ``missing``."""
    return [name for name in MIX if FAULTS[name].needs in missing]


def draw(rng: random.Random, count: int, only: str = "", without: Container[str] = ()) -> list[str]:
    """``count`` faults: whole mixes, then a part of one; none of ``without``.

    The part has each fault as often as the mix says, rounded up or down, so that a small campaign
    is not without a kind that is frequent. ``only`` is a regular expression of the faults to draw
    from, each as often as the others.
    """
    names = [name for name in MIX if name not in without]
    often = MIX
    if only:
        names = [name for name in names if re.search(only, name)]
        often = dict.fromkeys(names, 1)
    found: list[str] = []
    while len(found) < count and names:
        rng.shuffle(names)
        mix = [name for name in names for _ in range(often[name])]
        wanted = min(len(mix), count - len(found))
        # At equal distances, from a start that is drawn.
        apart, start = len(mix) / wanted, rng.random()
        part = [mix[int((start + number) * apart)] for number in range(wanted)]
        rng.shuffle(part)
        found += part
    return found
