"""Forgets remembered refusals once nobody can still be waiting for them."""

from __future__ import annotations

from datetime import timedelta

from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.journal import pruning

#: How long a refusal is remembered; the protocol promises 72 hours at least.
JOURNAL_TTL = timedelta(hours=96)
#: Seconds between two rounds.
PRUNING_INTERVAL_S = 3_600.0


class Pruning:
    """Takes old refusals away, a bounded number at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.task = Periodic("pruning", PRUNING_INTERVAL_S, self._prune, first=0.0)

    async def _prune(self) -> None:
        while await pruning.forget_refusals(self._database, older_than=JOURNAL_TTL):
            pass
