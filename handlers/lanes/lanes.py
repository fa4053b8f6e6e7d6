"""All lanes of a node, and the transactions they share: group commit.

While transactions commit, the next commands gather, in their lanes and lane behind lane; whoever is
done takes all that are ready, locks their events at once, decides them in memory, writes, commits
once, and answers each command on its own. Alone, a command waits for nobody; under load the
batches grow by themselves. There is no timer that waits for a batch to fill.

Such a *convoy* never waits for a lock: an event that somebody else holds, and everything in a
convoy that fails, goes *alone*, in a transaction that may wait and is tried again. Commands to
events that do not exist are refused in the convoy: they lock nothing and write nothing.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from handlers.lanes.counts import Counts
from handlers.lanes.decide import Submission, failed
from handlers.lanes.lane import LONGEST_BATCH, Batch, DecisionContext, Lane, Rooms, commit
from persistence.database.faults import Fault, fault_of
from persistence.database.pool import Database
from persistence.event.limits import DomainLimits
from persistence.journal.transaction import CommandKey, Transaction
from protocol.commands import type_of
from protocol.errors import ErrorCode, Rejection

log = logging.getLogger("ayes.lanes")

#: Commands that may wait for one event on this node; beyond that ``busy``.
LONGEST_QUEUE = 20_000
#: Convoys under way at once: one decides while the others wait for their commit. More of them
#: only make each smaller.
CONVOYS = 3
#: Events of one convoy: so many that the commit's cost is shared by all that could be.
MOST_EVENTS = 64
#: Batches alone at once; each may hold a connection for as long as a lock is waited for.
MOST_ALONE = 4
#: Time from a command's arrival in which it is tried, wherever it waits (in its lane behind a batch
#: that waits for the lock, in a convoy, alone); then ``busy``, ``overloaded``, ``commit_unknown``.
BUDGET = 5.0
#: What a command gets whose time was over before its first try alone: a lane that is only slow
#: moves on, and decides it.
LAST_TRY = 0.5
#: Commands whose time is over so soon after another's are given up with it: each try locks anew.
GRAIN = 0.1
#: Age at which a command that still waits in its lane is answered ``busy`` without a try: a queue
#: of many batches would otherwise wait for the failure of each batch before it, one after another.
#: Above ``BUDGET``, so that a lane that is only slow moves on; below the 15 s that HTTP waits.
LONGEST_WAIT = 10.0
#: Seconds between two looks for such commands, while lanes wait for a transaction.
OVERDUE_INTERVAL_S = 1.0
#: The share of ``BUDGET`` that a convoy may take. It waits for no lock, so one that takes longer
#: hangs on its link; the rest is for another try on a fresh one.
CONVOYS_SHARE = 0.4
#: First and longest wait between two tries, both drawn with full jitter.
FIRST_DELAY = 0.05
LONGEST_DELAY = 0.5
#: Bytes of memory that idle lanes take together, at most. A lane is idle if no command waits in it.
#: Beyond this the least recently used one is forgotten; its next command reads the event again. The
#: bound is one of bytes since an event of long texts takes 30 MiB, and a small one 10 KiB: 3,000
#: small events, or some large ones.
MAX_IDLE_BYTES = 24 * 1024 * 1024
#: What a client is asked to wait after ``busy`` or ``overloaded``.
RETRY_AFTER_MS = 500


def _asked(batches: Sequence[Batch]) -> list[tuple[str, CommandKey]]:
    return [key for batch in batches for key in batch.asked()]


def _unheard(seconds: float) -> None:
    """Nobody measures."""


class Lanes:
    """Takes commands, and answers every one of them."""

    def __init__(
        self,
        database: Database,
        rooms: Rooms,
        limits: DomainLimits,
        *,
        revoked: Callable[[str, datetime | None], bool] = lambda user, issued: False,
    ) -> None:
        self.database = database
        self.rooms = rooms
        self._context = DecisionContext(limits, revoked)
        self.counts = Counts()
        self.observe: Callable[[float], None] = _unheard
        """Hears how many seconds each committed transaction took."""
        self._lanes: dict[str, Lane] = {}
        self._resting: OrderedDict[str, Lane] = OrderedDict()
        """The idle ones, the least recently used first."""
        self._resting_bytes = 0
        self._ready: deque[Lane] = deque()
        self._overdue: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._convoys = 0
        self._alone = asyncio.Semaphore(MOST_ALONE)
        self._idle = asyncio.Event()
        self._idle.set()
        self._busy = 0

    def submit(self, event_id: str, submission: Submission) -> None:
        """Put a command in its event's lane; it will be answered, through its ``reply``.

        Commands of one event are decided in the order in which they were submitted. What works on
        them belongs to the node, not to whoever submitted.
        """
        lane = self._lanes.get(event_id)
        if lane is None:
            lane = self._lanes[event_id] = Lane(event_id)
        submission.deadline = asyncio.get_running_loop().time() + BUDGET
        if not lane.put(submission, LONGEST_QUEUE):
            err = Rejection(ErrorCode.BUSY, retry_after_ms=RETRY_AFTER_MS)
            submission.respond(failed(submission, err))
            return
        if not lane.busy:
            lane.busy = True
            self._busy += 1
            self._idle.clear()
            if self._resting.pop(event_id, None) is not None:
                self._resting_bytes -= lane.bytes
            self._queue_up(lane)

    def waiting(self) -> int:
        """Commands that wait for their decision, or are in a transaction."""
        return sum(len(lane.queue) + len(lane.running) for lane in self._lanes.values())

    def pending(self, event_id: str, keys: Collection[CommandKey]) -> set[CommandKey]:
        """Those of ``keys`` whose commands wait for their decision on this node."""
        lane = self._lanes.get(event_id)
        return set() if lane is None else lane.pending(keys)

    async def drained(self) -> None:
        """Wait until no command waits anywhere."""
        await self._idle.wait()

    def _queue_up(self, lane: Lane) -> None:
        """``lane`` wants a transaction."""
        self._ready.append(lane)
        if self._overdue is None:
            loop = asyncio.get_running_loop()
            self._overdue = loop.call_later(OVERDUE_INTERVAL_S, self._drop_overdue)
        if self._convoys < CONVOYS:
            self._convoys += 1
            self._start(self._drive(), "convoy")

    def _rest(self, lane: Lane) -> None:
        """``lane`` has had its transaction."""
        lane.running = ()
        self._answer_overdue(lane)
        if lane.queue:
            self._queue_up(lane)
            return
        lane.busy = False
        self._busy -= 1
        if not self._busy:
            self._idle.set()
        self._keep(lane)

    def _answer_overdue(self, lane: Lane) -> None:
        """Answer ``busy`` to the commands that have waited in ``lane`` for too long."""
        arrived_by = asyncio.get_running_loop().time() - LONGEST_WAIT
        if overdue := lane.take_overdue(arrived_by + BUDGET):
            log.warning("event %s: %d commands waited too long", lane.event_id, len(overdue))
            self._answer(overdue, Rejection(ErrorCode.BUSY, retry_after_ms=RETRY_AFTER_MS))

    def _drop_overdue(self) -> None:
        """Look at the lanes that wait for a transaction, as long as there are any."""
        self._overdue = None
        waiting, self._ready = self._ready, deque()
        for lane in waiting:
            self._answer_overdue(lane)
            if lane.queue:
                self._queue_up(lane)
            else:
                self._rest(lane)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Together.

    async def _drive(self) -> None:
        """Take what is ready until nothing is, on one connection as long as all goes well."""
        loop = asyncio.get_running_loop()
        share = BUDGET * CONVOYS_SHARE
        try:
            while batches := self._gather():
                try:
                    # Around the connection, so that one that hangs is cut and not waited for.
                    async with asyncio.timeout(share) as limit, self.database.connection() as link:
                        while batches:
                            await self._together(link, batches)
                            self._apart(batches, Fault.LOCKED)
                            batches = [] if self.database.is_short() else self._gather()
                            limit.reschedule(loop.time() + share)
                except Exception as err:
                    log.info("a convoy of %d events goes apart after %r", len(batches), err)
                    self._apart(batches, None)
        finally:
            self._convoys -= 1

    def _apart(self, batches: list[Batch], fault: Fault | None) -> None:
        for batch in batches:
            self._start(self._by_itself(batch, fault), f"alone {batch.event_id}")

    def _gather(self) -> list[Batch]:
        batches: list[Batch] = []
        commands = 0
        while self._ready and len(batches) < MOST_EVENTS and commands < LONGEST_BATCH:
            batch = self._ready.popleft().take()
            batches.append(batch)
            commands += len(batch.submissions)
        return batches

    async def _together(self, connection: asyncpg.Connection[Any], batches: list[Batch]) -> None:
        """Settle those whose events are free, in one transaction, and take them off ``batches``."""
        began = time.monotonic()
        async with Transaction.on(connection) as transaction:
            free, now, known = await transaction.lock_free(
                [batch.event_id for batch in batches], _asked(batches)
            )
            # An event that is made now is not there to be locked; if another node made it
            # meanwhile, its key is taken, and everything goes alone.
            here = [b for b in batches if b.event_id in free or b.only_creates_event()]
            if len(here) < len(batches):
                # Held by somebody else, or no event at all. Its refusals need no lock, and leave
                # no row: they are given here, where many share one transaction.
                wanted = [b.event_id for b in batches if b not in here]
                existing = await transaction.existing(wanted)
                here += [b for b in batches if b not in here and b.event_id not in existing]
            if here:
                if not all(batch.is_at(free.get(batch.event_id)) for batch in here):
                    now, known = await transaction.clock_and_remembered(_asked(here))
                # Else nobody had them since: what was known just before the lock is known now, but
                # for a refusal on another node, which moves nothing; its key is taken, as above.
                for batch in here:
                    position = free.get(batch.event_id)
                    await batch.decide(transaction, position, now, known, self._context)
                await self._commit(transaction, here)
                self._committed(began)
                # Answered at once: what may yet happen to the connection concerns them no more.
                batches[:] = [batch for batch in batches if batch not in here]
                for batch in here:
                    self._finish(batch)
                    self._rest(batch.lane)

    async def _commit(self, transaction: Transaction, batches: Sequence[Batch]) -> None:
        await commit(transaction, batches)

    def _committed(self, began: float) -> None:
        self.counts.transactions += 1
        self.observe(time.monotonic() - began)

    def _count(self, batch: Batch) -> None:
        acked = sum(answer.error is None for _, answer in batch.answers)
        self.counts.acked += acked
        self.counts.refused += len(batch.answers) - acked

    def _finish(self, batch: Batch) -> None:
        """Answer a committed batch and publish its steps. Must not raise: others wait behind it."""
        self._count(batch)
        try:
            batch.committed(self.rooms)
        except Exception:
            # It is durable and answered; the room sweep finds the steps that were not published.
            log.exception("event %s: the steps could not be published", batch.event_id)

    # Alone.

    async def _by_itself(self, batch: Batch, fault: Fault | None) -> None:
        """Settle ``batch`` in transactions of its own; ``fault`` is why it could not go along."""
        self.counts.alone += 1
        submissions = batch.submissions
        try:
            await self._wait_and_settle(batch, fault)
        except Exception:
            log.exception("event %s: a batch failed", batch.event_id)
            self._answer([s for s in submissions if not s.answered], Rejection(ErrorCode.INTERNAL))
        self._rest(batch.lane)

    async def _wait_and_settle(self, batch: Batch, fault: Fault | None) -> None:
        while batch.submissions:
            try:
                async with asyncio.timeout_at(self._end_of_try(batch)):
                    await self._alone.acquire()
            except TimeoutError:
                self._give_up(batch, Fault.LOCKED)
                continue
            try:
                await self._settle(batch, fault)
            finally:
                self._alone.release()
            return

    async def _settle(self, batch: Batch, fault: Fault | None, *, is_part: bool = False) -> None:
        """Answer every command of ``batch``; ``is_part``: a part of a batch that was divided."""
        delay = FIRST_DELAY
        end = self._end_of_try(batch)
        while batch.submissions:
            try:
                async with asyncio.timeout_at(end):
                    await self._attempt(batch)
            except Exception as err:
                # What it holds may be half of what was not committed.
                batch.lane.state = None
                # The end of the budget, while another try waited for the lock, is no lost link.
                if not (fault is Fault.LOCKED and isinstance(err, TimeoutError)):
                    fault = fault_of(err)
                if fault is None or fault is Fault.REFUSED:
                    await self._divide(batch, err, is_part=is_part)
                    return
                pause = random.uniform(0, delay)  # noqa: S311 - jitter
                log.info("event %s: trying again after %r", batch.event_id, err)
                self._give_up(batch, fault, pause)
                if not batch.submissions:
                    return
                self.counts.retried += 1
                await asyncio.sleep(pause)
                delay = min(delay * 2, LONGEST_DELAY)
                end = batch.deadline
            else:
                self._finish(batch)
                return

    def _end_of_try(self, batch: Batch) -> float:
        """Until when ``batch`` is tried for the first time."""
        return max(batch.deadline, asyncio.get_running_loop().time() + LAST_TRY)

    async def _attempt(self, batch: Batch) -> None:
        began = time.monotonic()
        async with Transaction.begin(self.database) as transaction:
            position = await transaction.lock(batch.event_id)
            now, known = await transaction.clock_and_remembered(batch.asked())
            await batch.decide(transaction, position, now, known, self._context)
            await self._commit(transaction, [batch])
        self._committed(began)

    async def _divide(self, batch: Batch, err: Exception, *, is_part: bool) -> None:
        """Halve a batch that cannot be written, until the bad command stands alone."""
        submissions = batch.submissions
        if len(submissions) > 1:
            if not is_part:
                # One more budget for the whole search; a budget for each half would add up.
                deadline = asyncio.get_running_loop().time() + BUDGET
                for submission in submissions:
                    submission.deadline = deadline
            middle = len(submissions) // 2
            for half in (submissions[:middle], submissions[middle:]):
                await self._settle(Batch(batch.lane, half), None, is_part=True)
            return
        # Its type only: what people wrote is no business of the log's.
        kind = type_of(submissions[0].command)
        log.error("event %s: %s failed", batch.event_id, kind, exc_info=err)
        self._answer(submissions, Rejection(ErrorCode.INTERNAL))

    def _give_up(self, batch: Batch, fault: Fault, pause: float = 0.0) -> None:
        """Answer those of ``batch`` whose time is over, or is after ``pause``; the others stay."""
        now = asyncio.get_running_loop().time()
        overdue = batch.pop_expired(now + max(pause, GRAIN))
        if not overdue:
            return
        log.warning("event %s: gave up on %d: %s", batch.event_id, len(overdue), fault.name)
        unknown = [s for s in overdue if s.commit_attempted]
        clear = [s for s in overdue if not s.commit_attempted]
        code = ErrorCode.OVERLOADED if fault is Fault.LINK else ErrorCode.BUSY
        self._answer(clear, Rejection(code, retry_after_ms=RETRY_AFTER_MS))
        if unknown:
            err = Rejection(ErrorCode.COMMIT_UNKNOWN, retry_after_ms=RETRY_AFTER_MS)
            self._answer(unknown, err)
            self.rooms.suspect(batch.event_id)

    def _answer(self, submissions: Sequence[Submission], err: Rejection) -> None:
        self.counts.undecided += len(submissions)
        for submission in submissions:
            submission.respond(failed(submission, err))

    def _keep(self, lane: Lane) -> None:
        """Keep an idle lane for its state, and forget the least recently used beyond the bound.

        The latest one stays in any case: it has a bound of its own, and is likely to be used next.
        """
        if lane.state is None:
            # It holds nothing. Kept, lanes of made-up ids would push out those that do.
            del self._lanes[lane.event_id]
            return
        lane.bytes = lane.state.bytes()
        self._resting[lane.event_id] = lane
        self._resting_bytes += lane.bytes
        while self._resting_bytes > MAX_IDLE_BYTES and len(self._resting) > 1:
            event_id, oldest = self._resting.popitem(last=False)
            self._resting_bytes -= oldest.bytes
            del self._lanes[event_id]

    def idle_bytes(self) -> int:
        """Bytes of memory that idle lanes are reckoned to take."""
        return self._resting_bytes
