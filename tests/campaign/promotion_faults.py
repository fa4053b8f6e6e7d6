"""A standby takes the primary's place: one that was in step, and one that was behind."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.campaign.fault import CLOCK, POSTGRES, Fault, Scene
from tests.campaign.nodes import NodeError
from tests.campaign.standby import Standby
from tests.promises.running import ROOT

#: How long the standby streams before it is needed; how long it gets nothing, to be behind.
IN_STEP_SECONDS = 0.7
BEHIND_SECONDS = 0.7
#: Seconds in which messages sent before the nodes were cut off reach their clients.
ANSWERS_ARRIVE_SECONDS = 0.5
#: Longest that ``ayes new-epoch`` may take.
NEW_EPOCH_SECONDS = 60.0


@asynccontextmanager
async def _standby(scene: Scene, *, in_step: bool) -> AsyncIterator[Standby]:
    venue = scene.venue
    venue.standbys += 1
    standby = Standby(venue.postgres, venue.standbys)
    try:
        await standby.begin(in_step=in_step)
        yield standby
    finally:
        await standby.close()


async def _in_step(scene: Scene, rng: random.Random) -> bool:
    """No COMMIT was answered that the standby did not have, so nothing is lost."""
    venue = scene.venue
    async with _standby(scene, in_step=True) as standby:
        await asyncio.sleep(IN_STEP_SECONDS)
        await standby.promote()
        for proxy in venue.proxies:
            proxy.aim(venue.postgres.url)
    return True


async def _behind(scene: Scene, rng: random.Random) -> bool:
    """Committed data is lost, and the operator does what ``docs/operations.md`` says."""
    venue = scene.venue
    async with _standby(scene, in_step=False) as standby:
        standby.fall_behind()
        await asyncio.sleep(BEHIND_SECONDS)
        # The old primary is fenced off before another takes its place.
        for proxy in venue.proxies:
            proxy.refuse()
        try:
            await venue.postgres.rows(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE application_name LIKE 'ayes%'"
            )
            await scene.note_loss()
            await standby.promote()
            await _new_epoch(venue.postgres.url)
            await asyncio.sleep(ANSWERS_ARRIVE_SECONDS)
            await scene.note_new_epoch()
        finally:
            for proxy in venue.proxies:
                proxy.aim(venue.postgres.url)
                proxy.thaw()
    return True


async def _new_epoch(url: str) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server.cli", "new-epoch"),
        cwd=ROOT,
        env=os.environ | {"AYES_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(NEW_EPOCH_SECONDS):
        out, _ = await child.communicate()
    if child.returncode != 0:
        raise NodeError(f"ayes new-epoch: {out.decode()}")


#: The fault that loses committed data.
LOSES_DATA = "standby promoted, behind"
FAULTS: dict[str, Fault] = {
    "standby promoted, in step": Fault((POSTGRES, CLOCK), _in_step),
    LOSES_DATA: Fault((POSTGRES, CLOCK, "rows"), _behind),
}
