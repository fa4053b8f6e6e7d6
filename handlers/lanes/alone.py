"""Batches alone: one event in a transaction of its own, which may wait for the lock.

A batch that fails is tried again until the deadline of its commands. A batch that the database
refuses is bisected until the command at fault stands alone.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable

from handlers.lanes import deadlines
from handlers.lanes.batch_end import BatchEnd
from handlers.lanes.counts import cause_of
from handlers.lanes.lane import Batch, DecisionContext, Lane
from handlers.lanes.turn import Turn
from persistence.database.faults import Fault, fault_of
from persistence.database.pool import Database
from persistence.journal.transaction import Transaction
from protocol.commands import type_of
from protocol.errors import ErrorCode, RetryableError

log = logging.getLogger("ayes.lanes")

#: Batches alone at once; further ones wait. Each may keep a connection for as long as it waits for
#: a lock, so they may take only a part of the pool.
MAX_ALONE_BATCHES = 4
#: Least time in seconds of a batch's first try alone, even if its deadline passed while it was
#: queued. It lets a slow lane make progress.
MIN_TRY_TIMEOUT_S = 0.5
#: Commands that would expire within this time of each other expire together. It saves one locking
#: attempt for each command.
EXPIRY_INTERVAL_S = 0.1
#: First delay before another try; it doubles with each try. Drawn with full jitter.
MIN_RETRY_DELAY_S = 0.05
#: Longest delay before another try. Much shorter than ``COMMAND_TIMEOUT_S``, so that several tries
#: fit.
MAX_RETRY_DELAY_S = 0.5


class AloneRunner:
    """Settles batches that cannot go with a convoy."""

    def __init__(
        self,
        database: Database,
        context: DecisionContext,
        end: BatchEnd,
        *,
        release: Callable[[Lane], None],
    ) -> None:
        self._database = database
        self._context = context
        self._end = end
        self._release = release
        """Called when a lane's batch is settled."""
        self._places = asyncio.Semaphore(MAX_ALONE_BATCHES)

    async def run(self, batch: Batch, fault: Fault | None) -> None:
        """Answer every command of ``batch``, then release its lane.

        ``fault``: why the batch could not go with a convoy.
        """
        self._end.counts.alone += 1
        submissions = batch.submissions
        try:
            await self._wait_and_settle(batch, fault)
        except Exception:
            log.exception(
                "event %s: a batch failed", batch.event_id, extra={"event": batch.event_id}
            )
            unanswered = [s for s in submissions if not s.answered]
            self._end.reject(unanswered, RetryableError(ErrorCode.INTERNAL))
        self._release(batch.lane)

    async def _wait_and_settle(self, batch: Batch, fault: Fault | None) -> None:
        while batch.submissions:
            try:
                async with asyncio.timeout_at(self._end_of_try(batch)):
                    await self._places.acquire()
            except TimeoutError:
                self._expire(batch, Fault.LOCKED)
                continue
            try:
                await self._commit_with_retry(batch, fault)
            finally:
                self._places.release()
            return

    async def _commit_with_retry(
        self, batch: Batch, fault: Fault | None, *, is_half: bool = False
    ) -> None:
        """Answer every command of ``batch``; ``is_half``: it comes from a bisected batch."""
        delay = MIN_RETRY_DELAY_S
        end = self._end_of_try(batch)
        while batch.submissions:
            try:
                async with asyncio.timeout_at(end):
                    await self._try_once(batch)
            except Exception as err:
                # The cached state may contain a part of what was not committed.
                batch.lane.state = None
                # A timeout of the wait for the lock does not mean a lost connection.
                if not (fault is Fault.LOCKED and isinstance(err, TimeoutError)):
                    fault = fault_of(err)
                self._end.counts.failed[cause_of(fault)] += 1
                if fault is None or fault is Fault.REFUSED:
                    await self._bisect(batch, err, is_half=is_half)
                    return
                pause = random.uniform(0, delay)  # noqa: S311 - jitter
                log.info(
                    "event %s: trying again after %r",
                    batch.event_id,
                    err,
                    extra={"event": batch.event_id},
                )
                self._expire(batch, fault, pause)
                if not batch.submissions:
                    return
                self._end.counts.retried[cause_of(fault)] += 1
                await asyncio.sleep(pause)
                delay = min(delay * 2, MAX_RETRY_DELAY_S)
                end = batch.deadline
            else:
                self._end.finish(batch)
                return

    def _end_of_try(self, batch: Batch) -> float:
        """The loop's time at which the first try of ``batch`` ends."""
        return max(batch.deadline, asyncio.get_running_loop().time() + MIN_TRY_TIMEOUT_S)

    async def _try_once(self, batch: Batch) -> None:
        started = time.monotonic()
        async with Transaction.begin(self._database) as transaction:
            asked = time.monotonic()
            try:
                position = await transaction.lock(batch.event_id)
            finally:
                self._end.counts.lock_wait_seconds.observe(time.monotonic() - asked)
            now, known = await transaction.clock_and_remembered(batch.asked())
            await batch.decide(transaction, position, now, known, self._context, Turn())
            await self._end.commit(transaction, [batch], started)

    async def _bisect(self, batch: Batch, err: Exception, *, is_half: bool) -> None:
        """Halve a batch that cannot be written, until the command at fault stands alone."""
        submissions = batch.submissions
        if len(submissions) > 1:
            if not is_half:
                # One more timeout for the whole search; one for each half would add up.
                deadline = asyncio.get_running_loop().time() + deadlines.COMMAND_TIMEOUT_S
                for submission in submissions:
                    submission.deadline = deadline
            middle = len(submissions) // 2
            for half in (submissions[:middle], submissions[middle:]):
                await self._commit_with_retry(Batch(batch.lane, half), None, is_half=True)
            return
        # Log the command's type only, never its text.
        kind = type_of(submissions[0].command)
        ids = {"event": batch.event_id, "command": submissions[0].command.id, "type": kind}
        log.error("event %s: %s failed", batch.event_id, kind, exc_info=err, extra=ids)
        self._end.reject(submissions, RetryableError(ErrorCode.INTERNAL))

    def _expire(self, batch: Batch, fault: Fault, pause: float = 0.0) -> None:
        """Answer the commands of ``batch`` whose deadline lies before the end of ``pause``."""
        now = asyncio.get_running_loop().time()
        expired = batch.pop_expired(now + max(pause, EXPIRY_INTERVAL_S))
        if not expired:
            return
        log.warning(
            "event %s: gave up on %d: %s",
            batch.event_id,
            len(expired),
            fault.name,
            extra={"event": batch.event_id, "commands": len(expired)},
        )
        unknown = [s for s in expired if s.commit_attempted]
        clear = [s for s in expired if not s.commit_attempted]
        delay = deadlines.BUSY_RETRY_DELAY_MS
        is_away = fault in (Fault.LINK, Fault.LATE)
        code = ErrorCode.OVERLOADED if is_away else ErrorCode.BUSY
        self._end.reject(clear, RetryableError(code, retry_after_ms=delay))
        if unknown:
            err = RetryableError(ErrorCode.COMMIT_UNKNOWN, retry_after_ms=delay)
            self._end.reject(unknown, err)
            self._end.rooms.request_resync(batch.event_id)
