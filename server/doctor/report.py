"""All findings, in the order of what depends on what; each part has a deadline."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from typing import Final

from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from server.config.settings import Settings
from server.doctor import database, issuer, machine, redis, settings, way_in
from server.doctor.finding import Finding, fail, ok

#: Longest that one part of the report takes; then it says so. Longer than the timeouts of every
#: single connection in it.
PART_TIMEOUT_S: Final = 30.0


async def findings(
    given: Settings, environment: Mapping[str, str] = os.environ
) -> AsyncIterator[Finding]:
    """Yield every finding as it is found. Never raises for a fault that it looks for."""
    for finding in settings.findings(given, environment):
        yield finding
    parts: dict[str, AsyncIterator[Finding]] = {"database": _database(given)}
    if given.redis_url is not None:
        parts["redis"] = redis.findings(given.redis_url)
    parts["issuer"] = issuer.findings(given)
    parts["way in"] = way_in.findings(given, environment)
    for name, part in parts.items():
        try:
            async with asyncio.timeout(PART_TIMEOUT_S):
                async for finding in part:
                    yield finding
        except TimeoutError:
            yield fail(name, f"no answer in {PART_TIMEOUT_S:.0f} s", "look at its load and its log")
    for finding in machine.findings(given):
        yield finding


async def _database(given: Settings) -> AsyncIterator[Finding]:
    url = given.database_url
    if url is None:
        try:
            url = await asyncio.to_thread(EmbeddedPostgres(given.data_dir).running_url)
        except (EmbeddedPostgresError, OSError) as err:
            yield fail("database", f"the embedded PostgreSQL: {err}", "mend AYES_DATA_DIR")
            return
    if url is None:
        yield ok("database", "the embedded PostgreSQL, which starts with the server")
        return
    async for finding in database.findings(url, given):
        yield finding
