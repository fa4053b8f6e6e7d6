"""Deletes recorded final errors after the time for which the protocol promises them."""

from __future__ import annotations

from datetime import timedelta

from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.journal import pruning

#: Seconds for which a final error is recorded; later it is pruned. The protocol promises 72 hours.
FINAL_ERROR_TTL_S = 96 * 3_600
#: Seconds between two deletions. The time is long, since a late deletion harms nothing.
PRUNING_INTERVAL_S = 3_600.0


class Pruning:
    """Deletes old final errors, a bounded number in one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.task = Periodic("pruning", PRUNING_INTERVAL_S, self._prune, first=0.0)

    async def prune(self) -> int:
        """Delete the final errors that are past their time; return how many."""
        count = 0
        age = timedelta(seconds=FINAL_ERROR_TTL_S)
        while deleted := await pruning.forget_refusals(self._database, older_than=age):
            count += deleted
            if deleted < pruning.MAX_PRUNED_ROWS:
                break
        return count

    async def _prune(self) -> None:
        await self.prune()
