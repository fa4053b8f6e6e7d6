"""Faults of PostgreSQL, of its disk, and of a node's link to it."""

from __future__ import annotations

import asyncio
import random

import asyncpg

from tests.campaign.equipment import DISK
from tests.campaign.fault import LINK, POSTGRES, Fault, Scene, node_of
from tests.campaign.stores import SLOW_US, Postgres
from tests.promises.proxy import Mode, Proxy

#: Longest wait, under load, for a COMMIT to cut.
COMMIT_SECONDS = 10.0
LOOK_SECONDS = 0.01
#: A frozen PostgreSQL; a frozen COMMIT, a little longer than a convoy waits for it.
FROZEN_SECONDS = 3.0
COMMIT_FROZEN_SECONDS = 2.5
#: A row locked from outside, beyond the budget of a batch (5 s).
ROW_LOCKED_SECONDS = 6.0
#: A full disk: shorter and longer than a batch retries (5 s). A slow disk.
FULL_SECONDS = (1.0, 6.0)
SLOW_SECONDS = 2.5


def _commit(mode: Mode, seconds: float) -> Fault:
    async def strike(scene: Scene, rng: random.Random) -> bool:
        venue = scene.venue
        proxy: Proxy = venue.proxies[venue.nodes.index(node_of(scene, rng))]
        cuts = proxy.cuts
        proxy.fail(mode)
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                while proxy.cuts == cuts:
                    await asyncio.sleep(LOOK_SECONDS)
            await asyncio.sleep(seconds)
        finally:
            # If no COMMIT came, none must be cut later.
            proxy.mode = "through"
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


async def _frozen(scene: Scene, rng: random.Random) -> bool:
    await scene.venue.postgres.freeze(FROZEN_SECONDS)
    return True


async def _row_locked(scene: Scene, rng: random.Random) -> bool:
    # Any event but the hot one, whose lock would stop half of the campaign.
    events = scene.event_ids[1:]
    if not events:
        return False
    event = rng.choice(events)
    connection = await scene.venue.postgres.connect()
    try:
        await connection.execute("BEGIN")
        await connection.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", event)
        # A restart of the database may free it before.
        await asyncio.sleep(ROW_LOCKED_SECONDS)
    except (asyncpg.PostgresError, OSError):
        return False
    finally:
        connection.terminate()
    return True


async def _full(scene: Scene, seconds: float) -> bool:
    """Let nothing more be written for a while; return whether the database died of it."""
    disk, postgres = scene.venue.disk, scene.venue.postgres
    assert disk is not None
    await disk.fill()
    try:
        is_full = await _cannot_write(postgres)
        await asyncio.sleep(seconds)
    finally:
        await disk.free()
        await postgres.revive()
    return is_full


async def _cannot_write(postgres: Postgres) -> bool:
    """Whether a table that is made now fails for lack of room."""
    try:
        connection = await asyncpg.connect(postgres.url, timeout=COMMIT_SECONDS)
        try:
            await connection.execute(
                "CREATE TEMPORARY TABLE large AS"
                " SELECT repeat('x', 1000) FROM generate_series(1, 1000)"
            )
        finally:
            connection.terminate()
    except asyncpg.DiskFullError:
        return True
    except (asyncpg.PostgresError, OSError, TimeoutError):
        # Only the full disk has ended it.
        return True
    return False


async def _disk_full(scene: Scene, rng: random.Random) -> bool:
    return await _full(scene, rng.uniform(*FULL_SECONDS))


async def _slow(scene: Scene, rng: random.Random, *, full_in_between: bool) -> bool:
    """Each flush takes long; with ``full_in_between`` the disk is full while one is under way."""
    postgres = scene.venue.postgres
    await postgres.set(commit_delay=SLOW_US, commit_siblings=0)
    is_full = True
    try:
        await asyncio.sleep(SLOW_SECONDS)
        if full_in_between:
            is_full = await _full(scene, rng.uniform(*FULL_SECONDS))
    finally:
        await postgres.revive()
        await postgres.set(commit_delay=None, commit_siblings=None)
    return is_full


async def _disk_slow(scene: Scene, rng: random.Random) -> bool:
    return await _slow(scene, rng, full_in_between=False)


async def _disk_full_and_slow(scene: Scene, rng: random.Random) -> bool:
    is_full = await _full(scene, FULL_SECONDS[0])
    return await _slow(scene, rng, full_in_between=True) and is_full


FAULTS: dict[str, Fault] = {
    "COMMIT cut before it goes out": _commit("before", 0),
    "COMMIT cut before its answer": _commit("after", 0),
    "COMMIT frozen": _commit("frozen", COMMIT_FROZEN_SECONDS),
    "PostgreSQL restarted, immediate": _restarted(immediate=True),
    "PostgreSQL restarted, fast": _restarted(immediate=False),
    "PostgreSQL sessions killed": Fault((POSTGRES,), _sessions_killed),
    "PostgreSQL frozen": Fault((POSTGRES,), _frozen),
    "event row locked from outside": Fault(("rows",), _row_locked),
    "disk full": Fault((POSTGRES,), _disk_full, DISK),
    "disk slow": Fault((POSTGRES,), _disk_slow),
    "disk full, slow, full again": Fault((POSTGRES,), _disk_full_and_slow, DISK),
}
