"""Erases a person's words in an event while it is decided, with ``ayes verify`` before and after.

``python -m tests.campaign.erasing EVENT USER``, on the database in ``AYES_DATABASE_URL``, does it
once, in a process of its own: its work on a whole journal would delay the clients.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict

from persistence.database.pool import Database
from persistence.event.limits import DomainLimits
from server.cli import audit, erasing
from tests.campaign.stores import Postgres
from tests.promises.running import ROOT

#: Seconds between two tries; faults of the database last a few.
RETRY_SECONDS = 1.0
#: Longest that one try may take.
TRY_SECONDS = 120.0
#: The word of a try whose event is gone, with a primary that was lost.
GONE = "there is no event"


class Erasures:
    """The erasures of one round."""

    def __init__(self, postgres: Postgres) -> None:
        self.count = 0
        self._postgres = postgres
        # A verification reads twice; another erasure in between would look like a fault.
        self._locks: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def erase(self, event: str, user: str, tries: int) -> list[str]:
        """Erase a user's words in an event; return what went wrong."""
        async with self._locks[event]:
            wrong = await _until_done(self._postgres, event, user, tries)
        self.count += not wrong
        return [f"{event}: erasing {user}: {wrong}"] if wrong else []


async def _until_done(postgres: Postgres, event: str, user: str, tries: int) -> str:
    """Try until it is done; return what was wrong with the last of ``tries``, or nothing."""
    said = ""
    for _ in range(tries):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.campaign.erasing", event, user),
            cwd=ROOT,
            env=os.environ | {"AYES_DATABASE_URL": postgres.url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(TRY_SECONDS):
                out, _ = await child.communicate()
        except TimeoutError:
            said = f"not done in {TRY_SECONDS:.0f} s"
        else:
            said = out.decode().strip().rpartition("\n")[2]
            if child.returncode == 0 or GONE in said:
                return ""
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        await asyncio.sleep(RETRY_SECONDS)
    return said


async def _erase_once(event: str, user: str) -> None:
    database = Database(os.environ["AYES_DATABASE_URL"], connections=2)
    await database.open()
    try:
        await audit.verify_event(database, event)
        async for _ in erasing.erase(database, user, event, DomainLimits()):
            pass
        await audit.verify_event(database, event)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(_erase_once(*sys.argv[1:]))
