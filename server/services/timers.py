"""The clock's part: asks for what is due. Whether it is, the lane decides under the lock.

Every node asks; the journal's key keeps it to one step. Which moments have passed is read from the
database by its own clock, so that a restart forgets nothing.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from handlers.lanes.decide import Answer, Reply, Submission
from handlers.lanes.lanes import Lanes
from handlers.rules.timers import SERVER, expiry, maturity
from handlers.step import Actor
from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.queries import due
from persistence.queries.due import Due
from protocol.commands import EventCommand
from server.services.entropy import entropy

#: Seconds between two looks at the clock.
TIMER_INTERVAL_S = 0.5
#: Looked at again behind the last look: a transaction's moment can lie before its commit.
RESCAN_WINDOW = timedelta(seconds=30)
#: Rows of one look; the rest comes with the next.
MAX_DUE = 500
#: Openings remembered because they could not be decided; beyond that they are read again.
MAX_RETRIED = 10_000
_SERVER = Actor(SERVER, SERVER)


class Timers:
    """Asks the lanes for what time brings about."""

    def __init__(self, database: Database, lanes: Lanes) -> None:
        self._database = database
        self._lanes = lanes
        # Stopped, what was asked for is the lanes' to finish.
        self.task = Periodic("timers", TIMER_INTERVAL_S, self._tick, first=0.0)
        self._since: Due | None = None
        """Where the next look for openings begins."""
        self._dropped: Due | None = None
        """Before the first opening that could not be decided, nor remembered."""
        self._again: dict[Due, int] = {}
        """What could not be decided, with its revision: asked for again, however long ago."""
        self._matured: set[Due] = set()
        """What was asked for already: what opened and did not pass waits for votes."""
        self._expired_to: Due | None = None
        """How far the round through all whose time is over has come."""
        self._lately: Due | None = None
        """Since when it is of late that a time was over."""

    async def _tick(self) -> None:
        if self._dropped is not None:
            self._since = None if self._since is None else min(self._since, self._dropped)
            self._dropped = None
        self._since = await self._look(self._since)

    async def _look(self, since: Due | None) -> Due:
        """Ask for all that is due; where the next look begins."""
        await self._expire()
        again, self._again = self._again, {}
        for opening, revision in again.items():
            self._mature(opening, revision)
        now, opened = await due.opened(self._database, since=since, limit=MAX_DUE)
        for opening, revision in opened:
            if opening not in self._matured:
                self._matured.add(opening)
                self._mature(opening, revision)
        # What no look comes to any more.
        self._matured = {o for o in self._matured if o.at > now - 2 * RESCAN_WINDOW}
        self._lately = Due(now - RESCAN_WINDOW)
        return opened[-1].due if len(opened) == MAX_DUE else self._lately

    async def _expire(self) -> None:
        """Ask for those whose time is over: a page of all of them, and what came of late.

        Those in paused events stay, and are passed by in rounds: whatever their number, a look
        reads two pages at most.
        """
        since = self._expired_to
        over = await due.expired(self._database, since=since, limit=MAX_DUE)
        self._expired_to = over[-1].due if len(over) == MAX_DUE else None
        if since is not None or self._expired_to is not None:
            over += await due.expired(self._database, since=self._lately, limit=MAX_DUE)
        for found in dict.fromkeys(one.due for one in over if one.runs):
            self._ask(expiry(found.event, found.proposal), _heard)

    def _ask(self, command: EventCommand, reply: Reply) -> None:
        submission = Submission(command, _SERVER, entropy=entropy(), reply=reply)
        self._lanes.submit(command.event, submission)

    def _mature(self, opening: Due, revision: int) -> None:
        command = maturity(opening.event, opening.proposal, revision)
        self._ask(command, partial(self._answered, opening, revision))

    def _answered(
        self, opening: Due, revision: int, submission: Submission, answer: Answer
    ) -> None:
        """The lane was full, the event held, the database away: the next look asks again."""
        if answer.error is None:
            return
        if len(self._again) < MAX_RETRIED:
            self._again[opening] = revision
            return
        # Too many to be remembered: the next look begins before this one.
        self._matured.discard(opening)
        before = Due(opening.at, opening.event)
        self._dropped = before if self._dropped is None else min(self._dropped, before)


def _heard(submission: Submission, answer: Answer) -> None:
    """Nobody waits for it; what is still over at the next look is asked for again."""
