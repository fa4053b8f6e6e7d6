"""PostgreSQL's own statistics, read at an interval: a scrape never waits for the database."""

from __future__ import annotations

from typing import Final

from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.queries import statistics
from persistence.queries.statistics import Statistics

#: Seconds between two reads, as Prometheus scrapes by default. Metrics are late by as much.
STATISTICS_INTERVAL_S: Final = 15.0


class DatabaseStatistics:
    """The latest statistics of the database; zeros until they were read once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.latest = Statistics()
        self.task = Periodic("database statistics", STATISTICS_INTERVAL_S, self._read, first=0.0)

    async def _read(self) -> None:
        self.latest = await statistics.read(self._database)
