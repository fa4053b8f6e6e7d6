"""Counters of commands and transactions, for the metrics."""

from __future__ import annotations


class Counts:
    """Commands and transactions since the start."""

    __slots__ = ("acked", "alone", "refused", "retried", "transactions", "undecided")

    def __init__(self) -> None:
        self.acked = 0
        self.refused = 0
        """Answered with an error by a transaction."""
        self.undecided = 0
        """Answered without a decision, with ``busy`` for example."""
        self.transactions = 0
        self.alone = 0
        """Batches that left a convoy and ran alone."""
        self.retried = 0
