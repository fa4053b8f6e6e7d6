"""Submits commands for events whose schedule is due, and for proposals that opened or expired.

Every node submits them; the journal's idempotency key keeps it to one step. The lane checks under
the lock that the time has passed. Due proposals are read from the database by its own clock, so a
restart forgets none.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from handlers.lanes.decide import Answer, Reply, Submission
from handlers.lanes.lanes import Lanes
from handlers.rules.timers import SERVER, end, expiry, maturity, start
from handlers.step import Actor
from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.queries import due
from persistence.queries.due import Due
from protocol.commands import EventCommand
from server.services.entropy import entropy

#: Seconds between two scans. What falls due is late by as much.
TIMER_INTERVAL_S = 0.5
#: The time before the last scan that is scanned again. A transaction's timestamp can lie that
#: long before its commit.
RESCAN_SPAN = timedelta(seconds=30)
#: Rows that one scan reads; the rest is read by the next scan.
MAX_DUE = 500
#: Undecided openings in memory; beyond that they are read from the database again.
MAX_RETRIED = 10_000
_SERVER = Actor(SERVER, SERVER)


class Timers:
    """Submits starts and ends, expiries and openings to the lanes."""

    def __init__(self, database: Database, lanes: Lanes) -> None:
        self._database = database
        self._lanes = lanes
        # After a stop, the lanes still finish what was submitted.
        self.task = Periodic("timers", TIMER_INTERVAL_S, self._tick, first=0.0)
        self._since: Due | None = None
        """Start of the next scan for openings."""
        self._dropped: Due | None = None
        """Start of the openings that were neither decided nor kept in ``_again``."""
        self._again: dict[Due, int] = {}
        """Openings that could not be decided, with their revision; each scan submits them again."""
        self._matured: set[Due] = set()
        """Openings that were submitted; those that did not pass wait for votes."""
        self._expired_to: Due | None = None
        """Position of the round-robin scan through all expired proposals."""
        self._recent: Due | None = None
        """Start of the time that every scan reads again for newly expired proposals."""

    async def _tick(self) -> None:
        if self._dropped is not None:
            self._since = None if self._since is None else min(self._since, self._dropped)
            self._dropped = None
        self._since = await self._scan(self._since)

    async def _scan(self, since: Due | None) -> Due:
        """Submit all that is due; return the start of the next scan."""
        await self._schedules()
        await self._expire()
        again, self._again = self._again, {}
        for opening, revision in again.items():
            self._mature(opening, revision)
        now, opened = await due.opened(self._database, since=since, limit=MAX_DUE)
        for opening, revision in opened:
            if opening not in self._matured:
                self._matured.add(opening)
                self._mature(opening, revision)
        # Forget openings that no later scan returns.
        self._matured = {o for o in self._matured if o.at > now - 2 * RESCAN_SPAN}
        self._recent = Due(now - RESCAN_SPAN)
        return opened[-1].due if len(opened) == MAX_DUE else self._recent

    async def _schedules(self) -> None:
        """Submit the starts and ends that are due; what stays due, the next scan submits again."""
        starts, ends = await due.scheduled(self._database, limit=MAX_DUE)
        for found in starts:
            self._ask(start(found.event, found.at), _ignore)
        for found in ends:
            self._ask(end(found.event, found.at), _ignore)

    async def _expire(self) -> None:
        """Submit expired proposals: one page of all of them, and those that expired lately.

        Proposals of paused events stay expired, so the scan pages through them round-robin. One
        scan reads at most two pages, whatever their number.
        """
        since = self._expired_to
        over = await due.expired(self._database, since=since, limit=MAX_DUE)
        self._expired_to = over[-1].due if len(over) == MAX_DUE else None
        if since is not None or self._expired_to is not None:
            over += await due.expired(self._database, since=self._recent, limit=MAX_DUE)
        for found in dict.fromkeys(one.due for one in over if one.runs):
            self._ask(expiry(found.event, found.proposal), _ignore)

    def _ask(self, command: EventCommand, reply: Reply) -> None:
        submission = Submission(command, _SERVER, entropy=entropy(), reply=reply)
        self._lanes.submit(command.event, submission)

    def _mature(self, opening: Due, revision: int) -> None:
        command = maturity(opening.event, opening.proposal, revision)
        self._ask(command, partial(self._answered, opening, revision))

    def _answered(
        self, opening: Due, revision: int, submission: Submission, answer: Answer
    ) -> None:
        """Submit again with the next scan: the lane was full, or the database out of reach."""
        if answer.error is None:
            return
        if len(self._again) < MAX_RETRIED:
            self._again[opening] = revision
            return
        # Too many to keep: the next scan begins before this one.
        self._matured.discard(opening)
        before = Due(opening.at, opening.event)
        self._dropped = before if self._dropped is None else min(self._dropped, before)


def _ignore(submission: Submission, answer: Answer) -> None:
    """Ignore the answer: the next scan submits what is still expired."""
