"""A histogram of measured values, in plain lists: cheap enough for every batch."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

#: Upper bounds of buckets in seconds, for work of the server. A single vote takes one or two
#: milliseconds, and a command is given up on after five seconds.
LATENCY_BOUNDS: Final = (
    *(0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064),
    *(0.128, 0.256, 0.512, 1.0, 2.0, 5.0),
)
#: The same for statements, of which there are many kinds: fewer buckets.
STATEMENT_BOUNDS: Final = (0.001, 0.004, 0.016, 0.064, 0.256, 1.0)
#: Upper bounds of buckets for the number of commands or events that share a transaction.
SIZE_BOUNDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Histogram:
    """Counts values by the first of ``bounds`` that is not below them; by default, seconds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float] = LATENCY_BOUNDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        """Values of each bucket; the last is for those above all bounds."""
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count ``value``."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def observe_all(self, values: Sequence[float]) -> None:
        """Count all ``values``, those of one batch for example."""
        if not values:
            return
        low, high = min(values), max(values)
        first = bisect_left(self.bounds, low)
        if first == bisect_left(self.bounds, high):
            # All are in one bucket, as nearly always.
            self.counts[first] += len(values)
        else:
            for value in values:
                self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += sum(values)
