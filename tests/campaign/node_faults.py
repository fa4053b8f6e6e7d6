"""Faults of one node: killed at a point, stopped, paused, starved of processor, without Redis."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import suppress

from tests.campaign.fault import ONE_NODE, Fault, Scene, node_of
from tests.campaign.node import POINTS

#: Longest wait, under load, until a command reaches a named point.
POINT_SECONDS = 10.0
#: How long a node stays away, so that its clients notice.
AWAY_SECONDS = 0.3
#: How long a node is starved, and the part of each slice in which it may run.
STARVED_SECONDS = 5.0
SLICE_SECONDS, RUN_SECONDS = 0.25, 0.03
#: How long a node stands still: the others give up on the homes there, and it then goes on with
#: what it had, letters included that are not late yet.
PAUSED_SECONDS = 1.2


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
    try:
        await node.terminate()
    finally:
        await node.start()
    return True


async def _paused(scene: Scene, rng: random.Random) -> bool:
    """The node stands still, as a virtual machine that is moved, and goes on."""
    pid = node_of(scene, rng).pid
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(PAUSED_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    return True


async def _starved(scene: Scene, rng: random.Random) -> bool:
    """The node gets an eighth of a processor, in slices, as on an overloaded machine."""
    pid = node_of(scene, rng).pid
    loop = asyncio.get_running_loop()
    until = loop.time() + STARVED_SECONDS
    try:
        while loop.time() < until:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(SLICE_SECONDS - RUN_SECONDS)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(RUN_SECONDS)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
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


FAULTS: dict[str, Fault] = {
    **{f"kill -9 {point}": _killed_at(point) for point in POINTS},
    "node stopped by SIGTERM": Fault((ONE_NODE,), _stopped),
    "node paused": Fault((ONE_NODE,), _paused),
    "node starved of processor": Fault((ONE_NODE,), _starved),
    "Redis absent at start": Fault((ONE_NODE, "redis"), _started_without_redis),
}
