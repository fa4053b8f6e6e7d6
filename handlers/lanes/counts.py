"""What the lanes have done since the start, counted for the metrics."""

from __future__ import annotations


class Counts:
    """Commands and transactions since the start."""

    __slots__ = ("acked", "alone", "refused", "retried", "transactions", "undecided")

    def __init__(self) -> None:
        self.acked = 0
        self.refused = 0
        """Answered with an error from a transaction: refusals, and what it could not decide."""
        self.undecided = 0
        """Given up on: ``busy``, ``overloaded``, ``commit_unknown``, ``internal``."""
        self.transactions = 0
        self.alone = 0
        """Batches that could not go with a convoy."""
        self.retried = 0
