"""The clock's part: asks for what is due. Whether it is, the lane decides under the lock.

Every node asks; the journal's key keeps it to one step. Which moments have passed is read from the
database by its own clock, so that a restart forgets nothing.
"""

from __future__ import annotations

import asyncio
import logging
import os
from datetime import datetime, timedelta

from handlers.decide import ENTROPY_BYTES, Answer, Submission
from handlers.lanes import Lanes
from handlers.step import Actor
from handlers.timers import SERVER, expiry, maturity
from persistence import due
from persistence.database import Database
from persistence.faults import fault_of
from protocol.commands import EventCommand

log = logging.getLogger("ayes.timers")

#: Seconds between two looks at the clock.
TICK_SECONDS = 0.5
#: Looked at again behind the last look: a transaction's moment can lie before its commit.
OVERLAP = timedelta(seconds=30)
#: Rows of one look; the rest comes with the next.
MOST_DUE = 500
_SERVER = Actor(SERVER, SERVER)


class Timers:
    """One task that asks the lanes for what time brings about."""

    def __init__(self, database: Database, lanes: Lanes) -> None:
        self._database = database
        self._lanes = lanes
        self._task: asyncio.Task[None] | None = None
        self._matured: dict[tuple[str, str, datetime], None] = {}
        """What was asked for already: what opened and did not pass waits for votes."""

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._work(), name="timers")

    async def stop(self) -> None:
        """End; what was asked for is the lanes' to finish."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        since: datetime | None = None
        while True:
            try:
                since = await self._look(since)
            except Exception as err:
                if fault_of(err) is None:
                    log.exception("the timers failed")
            await asyncio.sleep(TICK_SECONDS)

    async def _look(self, since: datetime | None) -> datetime | None:
        """Ask for all that is due; the moment up to which everything was asked for."""
        for event, proposal in await due.expired(self._database, limit=MOST_DUE):
            self._ask(expiry(event, proposal))
        now, opened = await due.opened(self._database, since=since, limit=MOST_DUE)
        seen: dict[tuple[str, str, datetime], None] = {}
        for event, proposal, revision, opens_at in opened:
            key = (event, proposal, opens_at)
            seen[key] = None
            if key not in self._matured:
                self._ask(maturity(event, proposal, revision))
        self._matured = seen
        if len(opened) == MOST_DUE:
            return opened[-1].opens_at
        return now - OVERLAP

    def _ask(self, command: EventCommand) -> None:
        submission = Submission(command, _SERVER, entropy=os.urandom(ENTROPY_BYTES), reply=_heard)
        self._lanes.submit(command.event, submission)


def _heard(submission: Submission, answer: Answer) -> None:
    """Nobody waits for it; what could not be decided is asked for again."""
