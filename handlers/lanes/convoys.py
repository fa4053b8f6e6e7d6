"""Convoys: the batches of several events in one transaction that never waits for a lock.

Deadlock-free by construction: a convoy locks only events that are free, all in one statement. An
event whose lock is held elsewhere leaves the convoy, and so does every event of a convoy that
fails: their batches run alone. Commands to events that do not exist are refused in the convoy; they
lock nothing and write nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import asyncpg

from handlers.lanes import deadlines
from handlers.lanes.batch_end import BatchEnd
from handlers.lanes.convoy_loads import load_together
from handlers.lanes.counts import cause_of
from handlers.lanes.lane import MAX_BATCH_COMMANDS, Batch, DecisionContext, Lane
from handlers.lanes.turn import Turn
from persistence.database.faults import Fault, fault_of
from persistence.database.pool import Database
from persistence.journal.transaction import CommandKey, Transaction

log = logging.getLogger("ayes.lanes")

#: Convoys at once: one decides while the others wait for their commit. Further lanes wait for the
#: next convoy. More convoys would only make each of them smaller.
MAX_CONVOYS = 3
#: The same while other nodes share the database: their convoys wait for their commits too.
MAX_CONVOYS_OF_SEVERAL = 2
#: Events of one convoy; further ones go with the next. At this number the cost of the commit is
#: small for each of them.
MAX_CONVOY_EVENTS = 64
#: The share of ``COMMAND_TIMEOUT_S`` that a convoy may take; then its connection is cut. A convoy
#: waits for no lock, so one that takes longer hangs on its connection. The rest of the time is for
#: another try on a fresh one.
CONVOY_TIMEOUT_SHARE = 0.4

Start = Callable[[Coroutine[Any, Any, None], str], None]


class Convoys:
    """Takes lanes that have commands, and commits their batches together."""

    def __init__(
        self,
        database: Database,
        context: DecisionContext,
        end: BatchEnd,
        *,
        start: Start,
        run_alone: Callable[[Batch, Fault | None], Coroutine[Any, Any, None]],
        release: Callable[[Lane], None],
    ) -> None:
        self._database = database
        self._context = context
        self._end = end
        self._start = start
        """Runs a coroutine as a task of the node."""
        self._run_alone = run_alone
        """Settles a batch that cannot go with a convoy, and releases its lane."""
        self._release = release
        """Called when a lane's batch is settled."""
        self._ready: deque[Lane] = deque()
        self._running = 0
        self._most = MAX_CONVOYS

    def share_database(self, is_shared: bool) -> None:
        """Run fewer convoys if other nodes have theirs, which makes each of them larger."""
        self._most = MAX_CONVOYS_OF_SEVERAL if is_shared else MAX_CONVOYS

    def schedule(self, lane: Lane) -> None:
        """Let ``lane`` go with the next convoy."""
        self._ready.append(lane)
        if self._running < self._most:
            self._running += 1
            self._start(self._run_convoys(), "convoy")

    def take_waiting(self) -> deque[Lane]:
        """Take out the lanes that still wait for a convoy."""
        waiting, self._ready = self._ready, deque()
        return waiting

    async def _run_convoys(self) -> None:
        """Run convoys until no lane is ready; one connection serves while all goes well."""
        loop = asyncio.get_running_loop()
        timeout = deadlines.COMMAND_TIMEOUT_S * CONVOY_TIMEOUT_SHARE
        try:
            while batches := self._next_batches():
                try:
                    # Around the connection, so that one that hangs is cut and not waited for.
                    async with (
                        asyncio.timeout(timeout) as limit,
                        self._database.connection() as connection,
                    ):
                        while batches:
                            await self._commit_convoy(connection, batches)
                            self._retry_alone(batches, Fault.LOCKED)
                            batches = [] if self._database.is_short() else self._next_batches()
                            limit.reschedule(loop.time() + timeout)
                except Exception as err:
                    log.info("a convoy of %d events goes apart after %r", len(batches), err)
                    self._end.counts.failed[cause_of(fault_of(err))] += 1
                    self._retry_alone(batches, None)
        finally:
            self._running -= 1

    def _retry_alone(self, batches: list[Batch], fault: Fault | None) -> None:
        for batch in batches:
            self._start(self._run_alone(batch, fault), f"alone {batch.event_id}")

    def _next_batches(self) -> list[Batch]:
        batches: list[Batch] = []
        commands = 0
        while self._ready and len(batches) < MAX_CONVOY_EVENTS and commands < MAX_BATCH_COMMANDS:
            batch = self._ready.popleft().take()
            batches.append(batch)
            commands += len(batch.submissions)
        return batches

    async def _commit_convoy(
        self, connection: asyncpg.Connection[Any], batches: list[Batch]
    ) -> None:
        """Settle the batches whose events are free, and take them off ``batches``."""
        started = time.monotonic()
        async with Transaction.on(connection) as transaction:
            _take_more(batches)
            free, now, known = await transaction.lock_free(
                [batch.event_id for batch in batches], _keys(batches)
            )
            # An event that is created now has no row to lock. If another node created it
            # meanwhile, its key is taken, the convoy fails, and every batch runs alone.
            here = [b for b in batches if b.event_id in free or b.only_creates_event()]
            if len(here) < len(batches):
                # Locked by another transaction, or no event at all. Refusals of the latter need no
                # lock and leave no row, so many of them share one transaction here.
                wanted = [b.event_id for b in batches if b not in here]
                existing = await transaction.existing(wanted)
                here += [b for b in batches if b not in here and b.event_id not in existing]
            if here:
                if not all(batch.is_at(free.get(batch.event_id)) for batch in here):
                    now, known = await transaction.clock_and_remembered(_keys(here))
                # Otherwise no other node had these events since, and what was known before the
                # lock is known now. The exception is a refusal by another node, which moves no
                # position: its key is taken, and the convoy fails as above.
                states = await load_together(transaction, here, free, self._context)
                turn = Turn()
                for batch in here:
                    event = batch.event_id
                    await batch.decide(
                        transaction,
                        free.get(event),
                        now,
                        known,
                        self._context,
                        turn,
                        states.get(event),
                    )
                await self._end.commit(transaction, here, started)
                self._end.counts.convoy_events.observe(len(here))
                # Answered at once: these batches no longer depend on the connection.
                batches[:] = [batch for batch in batches if batch not in here]
                for batch in here:
                    self._end.finish(batch)
                    self._release(batch.lane)


def _take_more(batches: Sequence[Batch]) -> None:
    """Take along the commands that came while BEGIN was under way.

    Those whose last commands were just answered send their next ones in that time. Without this,
    the members of a busy room fall into two halves, and each batch has one of them.
    """
    left = MAX_BATCH_COMMANDS - sum(len(batch.submissions) for batch in batches)
    for batch in batches:
        if left <= 0:
            return
        left -= batch.take_more(left)


def _keys(batches: Sequence[Batch]) -> list[tuple[str, CommandKey]]:
    return [key for batch in batches for key in batch.asked()]
