"""The faults: each happens once, is healed, and says whether it struck.

Faults of one part take turns; different parts may fail at the same time. What befalls PostgreSQL
has the nodes' turns too: a node that has to start needs its database.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import NamedTuple, Protocol

import asyncpg

from tests.campaign.node import POINTS
from tests.campaign.nodes import NodeProcess
from tests.campaign.plan import Strike
from tests.campaign.seat import Seat
from tests.campaign.venue import Venue
from tests.promises.proxy import Mode, Proxy

#: Longest that a named point, or a COMMIT to cut, is waited for under load.
POINT_SECONDS = 10.0
LOOK_SECONDS = 0.01
#: Parts: the node that is drawn, its link to PostgreSQL, and PostgreSQL, which is every node's.
ONE_NODE, LINK, POSTGRES = "a node", "a link", "PostgreSQL"
#: How long a node stays away, so that its clients notice.
AWAY_SECONDS = 0.3
#: A frozen PostgreSQL; a frozen COMMIT, a little over what a convoy waits for it.
POSTGRES_FROZEN_SECONDS = 3.0
COMMIT_FROZEN_SECONDS = 2.5
#: A row locked from outside, beyond the budget of a batch (5 s).
ROW_LOCKED_SECONDS = 6.0
#: A dead or frozen Redis; beyond what the bus takes for silence (4 s).
REDIS_AWAY_SECONDS = 1.5
REDIS_FROZEN_SECONDS = 5.5
#: Sockets that are lost at once.
CHURN = 40
#: Sockets that are half-open at once, and for how long; then they are gone.
HALF_OPEN, HALF_OPEN_SECONDS = 10, 4.0


class Scene(Protocol):
    """What a fault may lay hands on."""

    venue: Venue

    @property
    def all_seats(self) -> list[Seat]:
        """Everybody's sockets."""

    @property
    def event_ids(self) -> list[str]:
        """The events, the hot one first."""


class Fault(NamedTuple):
    """How it is done, and to which parts; those of one part take turns."""

    parts: tuple[str, ...]
    strike: Callable[[Scene, random.Random], Awaitable[bool]]


def node_of(scene: Scene, rng: random.Random) -> NodeProcess:
    """The node that is struck: what a strike draws first."""
    return rng.choice(scene.venue.nodes)


def _killed_at(point: str) -> Fault:
    async def strike(scene: Scene, rng: random.Random) -> bool:
        node = node_of(scene, rng)
        struck = await node.kill_at(point, POINT_SECONDS)
        await asyncio.sleep(AWAY_SECONDS)
        await node.start()
        return struck

    return Fault((ONE_NODE,), strike)


async def _stopped(scene: Scene, rng: random.Random) -> bool:
    node = node_of(scene, rng)
    await node.terminate()
    await node.start()
    return True


def _commit(mode: Mode, seconds: float) -> Fault:
    async def strike(scene: Scene, rng: random.Random) -> bool:
        venue = scene.venue
        proxy: Proxy = venue.proxies[venue.nodes.index(node_of(scene, rng))]
        cuts = proxy.cuts
        proxy.fail(mode)
        async with asyncio.timeout(POINT_SECONDS):
            while proxy.cuts == cuts:
                await asyncio.sleep(LOOK_SECONDS)
        await asyncio.sleep(seconds)
        proxy.thaw()
        return True

    return Fault((LINK,), strike)


def _restarted(*, immediate: bool) -> Fault:
    async def strike(scene: Scene, rng: random.Random) -> bool:
        await scene.venue.postgres.restart(immediate=immediate)
        return True

    return Fault((POSTGRES,), strike)


async def _sessions_killed(scene: Scene, rng: random.Random) -> bool:
    rows = await scene.venue.postgres.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ayes'"
    )
    return bool(rows)


async def _postgres_frozen(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.postgres.freeze(POSTGRES_FROZEN_SECONDS)
    return True


async def _row_locked(scene: Scene, rng: random.Random) -> bool:
    connection = await scene.venue.postgres.connect()
    try:
        await connection.execute("BEGIN")
        # Any but the hot one, where half of the campaign would only wait.
        event = rng.choice(scene.event_ids[1:])
        await connection.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", event)
        # A restart of the database may free it before.
        await asyncio.sleep(ROW_LOCKED_SECONDS)
    except asyncpg.PostgresError:
        return False
    finally:
        connection.terminate()
    return True


async def _redis_killed(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.redis.end()
    await asyncio.sleep(REDIS_AWAY_SECONDS)
    await scene.venue.redis.begin()
    return True


async def _redis_emptied(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.redis.order("FLUSHALL")
    return True


async def _redis_frozen(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.redis.freeze(REDIS_FROZEN_SECONDS)
    return True


async def _pubsub_cut(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.redis.order("CLIENT", "KILL", "TYPE", "pubsub")
    return True


async def _started_without_redis(scene: Scene, rng: random.Random) -> bool:
    node = node_of(scene, rng)
    await scene.venue.redis.end()
    try:
        await node.kill()
        await node.start()
    finally:
        await scene.venue.redis.begin()
    return True


async def _sockets_cut(scene: Scene, rng: random.Random) -> bool:
    there = [seat for seat in scene.all_seats if seat.is_open]
    for seat in rng.sample(there, min(CHURN, len(there))):
        assert seat.line is not None
        seat.line.abort()
    return bool(there)


async def _half_open(scene: Scene, rng: random.Random) -> bool:
    there = [seat for seat in scene.all_seats if seat.is_open and seat.view is None]
    lines = [seat.line for seat in rng.sample(there, min(HALF_OPEN, len(there)))]
    for line in lines:
        assert line is not None
        line.go_deaf()
    await asyncio.sleep(HALF_OPEN_SECONDS)
    for line in lines:
        assert line is not None
        line.abort()
    return bool(lines)


FAULTS: dict[str, Fault] = {
    **{f"kill -9 {point}": _killed_at(point) for point in POINTS},
    "node stopped by SIGTERM": Fault((ONE_NODE,), _stopped),
    "COMMIT cut before it goes out": _commit("before", 0),
    "COMMIT cut before its answer": _commit("after", 0),
    "COMMIT frozen": _commit("frozen", COMMIT_FROZEN_SECONDS),
    "PostgreSQL restarted, immediate": _restarted(immediate=True),
    "PostgreSQL restarted, fast": _restarted(immediate=False),
    "PostgreSQL sessions killed": Fault((POSTGRES,), _sessions_killed),
    "PostgreSQL frozen": Fault((POSTGRES,), _postgres_frozen),
    "event row locked from outside": Fault(("rows",), _row_locked),
    "Redis killed": Fault(("redis",), _redis_killed),
    "Redis emptied": Fault(("redis",), _redis_emptied),
    "Redis frozen": Fault(("redis",), _redis_frozen),
    "Redis pub/sub cut": Fault(("redis",), _pubsub_cut),
    "Redis absent at start": Fault((ONE_NODE, "redis"), _started_without_redis),
    "sockets cut": Fault(("sockets",), _sockets_cut),
    "sockets half-open": Fault(("half-open sockets",), _half_open),
}
#: How often each happens in a campaign of as many as these are together.
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
    "sockets cut": 4,
    "sockets half-open": 2,
}
assert set(MIX) == set(FAULTS)


def draw(rng: random.Random, count: int, only: str = "") -> list[str]:
    """``count`` faults: whole mixes, and the rest of one by its weights.

    ``only``: a regular expression of those to draw from, then each as often as the others.
    """
    mix = [name for name, often in MIX.items() for _ in range(often)]
    if only:
        mix = [name for name in MIX if re.search(only, name)]
    found: list[str] = []
    while len(found) < count and mix:
        found += rng.sample(mix, min(len(mix), count - len(found)))
    return found


class Striker:
    """Makes the faults happen, and counts them."""

    def __init__(self, scene: Scene | None = None) -> None:
        self.scene = scene
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        """Those that found nothing to strike at."""
        self.resting = False
        """Whether those that still wait for their turn are let off."""
        self._turns: dict[str, asyncio.Lock] = {}

    async def fire(self, strike: Strike) -> None:
        """Do it once, when it is its part's turn."""
        assert self.scene is not None
        fault = FAULTS[strike.fault]
        async with AsyncExitStack() as stack:
            for part in self._parts(fault, strike):
                await stack.enter_async_context(self._turns.setdefault(part, asyncio.Lock()))
            if self.resting:
                return
            try:
                struck = await fault.strike(self.scene, random.Random(strike.draw))
            except TimeoutError:
                struck = False
        (self.struck if struck else self.missed)[strike.fault] += 1

    def _parts(self, fault: Fault, strike: Strike) -> list[str]:
        """Whose turns it needs, in the order in which everybody asks for them."""
        assert self.scene is not None
        parts = set(fault.parts)
        name = node_of(self.scene, random.Random(strike.draw)).name
        if ONE_NODE in parts:
            parts = parts - {ONE_NODE} | {name}
        if LINK in parts:
            parts = parts - {LINK} | {f"link of {name}"}
        if POSTGRES in parts:
            parts |= {node.name for node in self.scene.venue.nodes}
        return sorted(parts)
