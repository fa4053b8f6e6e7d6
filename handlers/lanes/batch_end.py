"""The one end of every batch: commit, answers, steps for the rooms, counts."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from handlers.lanes.counts import Counts
from handlers.lanes.decide import Submission, failed
from handlers.lanes.lane import Batch, Rooms, commit
from persistence.database.histogram import Histogram
from persistence.journal.transaction import Transaction
from protocol.errors import RetryableError

log = logging.getLogger("ayes.lanes")


#: Seconds from a transaction's start to its commit beyond which it is remembered as slow. A usual
#: one takes milliseconds; at this length people notice.
SLOW_TRANSACTION_S = 0.5
#: Slow transactions that are remembered; beyond that the oldest is forgotten.
MAX_SLOW_TRANSACTIONS = 100
#: Events that one of them names; a convoy may have more.
MAX_SLOW_EVENTS = 8


class SlowTransaction(NamedTuple):
    """A transaction that took long; ``at``: seconds since the epoch, at its commit."""

    at: float
    seconds: float
    events: tuple[str, ...]
    commands: int


class TransactionObserver(Protocol):
    """Observes the transactions that were committed."""

    def committed(self, batches: Sequence[Batch], started: float) -> None:
        """Note a transaction that began at ``started`` (``time.monotonic()``).

        Must not raise, nor wait.
        """


class BatchEnd:
    """Commits batches and answers their commands; shared by convoys and by batches alone."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms
        self.counts = Counts()
        self.observer: TransactionObserver | None = None
        self.slow: deque[SlowTransaction] = deque(maxlen=MAX_SLOW_TRANSACTIONS)
        """The latest slow transactions, the oldest first."""

    async def commit(
        self, transaction: Transaction, batches: Sequence[Batch], started: float
    ) -> None:
        """Write and commit ``batches``; ``started``: ``time.monotonic()`` when their try began.

        Raises ``NotCommitted``, and what the database raises.
        """
        await commit(transaction, batches)
        counts, now = self.counts, time.monotonic()
        counts.transactions += 1
        counts.transaction_seconds.observe(now - started)
        for batch in batches:
            batch.committed_at = now
            counts.batch_commands.observe(len(batch.answers))
        if (taken := now - started) > SLOW_TRANSACTION_S:
            events = tuple(batch.event_id for batch in batches[:MAX_SLOW_EVENTS])
            commands = sum(len(batch.submissions) for batch in batches)
            self.slow.append(SlowTransaction(time.time(), taken, events, commands))
        if self.observer is not None:
            self.observer.committed(batches, started)

    def finish(self, batch: Batch) -> None:
        """Answer a committed batch and publish its steps. Must not raise: others wait behind it."""
        acked = [answer.error for _, answer in batch.answers].count(None)
        counts = self.counts
        counts.acked += acked
        counts.refused += len(batch.answers) - acked
        counts.replayed += batch.replayed
        counts.recovered += batch.recovered
        try:
            batch.committed(self.rooms)
        except Exception:
            # It is durable and answered; the room sweep finds the steps that were not published.
            log.exception(
                "event %s: the steps could not be published",
                batch.event_id,
                extra={"event": batch.event_id},
            )
        _observe(counts.answer_seconds, [submission for submission, _ in batch.answers])

    def reject(self, submissions: Sequence[Submission], err: RetryableError) -> None:
        """Answer commands about which nothing was decided."""
        self.counts.undecided += len(submissions)
        _observe(self.counts.undecided_seconds, submissions)
        for submission in submissions:
            submission.respond(failed(submission, err))


def _observe(seconds: Histogram, submissions: Iterable[Submission]) -> None:
    """Count how long clients' commands waited for their answer, which is given now."""
    now = time.monotonic()
    seconds.observe_all([now - s.received for s in submissions if s.received])
