"""Forgets remembered refusals once nobody can still be waiting for them."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

from persistence import pruning
from persistence.database import Database
from persistence.faults import fault_of

log = logging.getLogger("ayes.pruning")

#: How long a refusal is remembered; the protocol promises 72 hours at least.
KEPT = timedelta(hours=96)
#: Seconds between two rounds.
EVERY_SECONDS = 3_600.0


class Pruning:
    """One task that takes old refusals away, a bounded number at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._work(), name="pruning")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            try:
                while await pruning.forget_refusals(self._database, older_than=KEPT):
                    pass
            except Exception as err:
                if fault_of(err) is None:
                    log.exception("pruning failed")
            await asyncio.sleep(EVERY_SECONDS)
