"""Counters of commands and transactions, for the metrics."""

from __future__ import annotations

from typing import Final

from persistence.database.faults import Fault
from persistence.database.histogram import SIZE_BOUNDS, Histogram

DEFECT: Final = "defect"
"""The cause of a failure that is no database error."""
CAUSES: Final = (*(fault.value for fault in Fault), DEFECT)
"""Why a transaction failed, or was tried again."""


def cause_of(fault: Fault | None) -> str:
    """Return the cause that a failure is counted under."""
    return DEFECT if fault is None else fault.value


class Counts:
    """Commands and transactions since the start."""

    __slots__ = (
        "acked",
        "alone",
        "answer_seconds",
        "batch_commands",
        "convoy_events",
        "failed",
        "full",
        "lock_wait_seconds",
        "recovered",
        "refused",
        "replayed",
        "retried",
        "transaction_seconds",
        "transactions",
        "undecided",
        "undecided_seconds",
    )

    def __init__(self) -> None:
        self.acked = 0
        self.refused = 0
        """Answered with an error by a transaction."""
        self.undecided = 0
        """Answered without a decision, with ``busy`` for example."""
        self.replayed = 0
        """Answered from the journal, since their id was decided before."""
        self.recovered = 0
        """Answered from the journal for the first time: the connection broke during COMMIT."""
        self.full = 0
        """Refused at once, since too many commands waited for their event."""
        self.transactions = 0
        self.alone = 0
        """Batches that left a convoy and ran alone."""
        self.failed = dict.fromkeys(CAUSES, 0)
        """Transactions that were rolled back or lost, by cause."""
        self.retried = dict.fromkeys(CAUSES, 0)
        """Tries after a failed one, by its cause."""
        self.transaction_seconds = Histogram()
        self.lock_wait_seconds = Histogram()
        """How long batches alone waited for their event's lock, successful or not."""
        self.answer_seconds = Histogram()
        """From the receipt of a client's command to its answer, decided by a transaction."""
        self.undecided_seconds = Histogram()
        """The same for commands that were given up on."""
        self.batch_commands = Histogram(SIZE_BOUNDS)
        self.convoy_events = Histogram(SIZE_BOUNDS)
