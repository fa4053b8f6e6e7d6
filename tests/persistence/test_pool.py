"""The pool of connections, when the database stops and comes back."""

from __future__ import annotations

import logging

import asyncpg
import pytest

from persistence.database.faults import Fault, fault_of
from persistence.database.pool import Database
from persistence.queries import event_reads
from tests.promises.proxy import proxy_before

#: Exceptions of a lost link, by the place where it was met.
LINK = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


async def test_a_database_that_goes_leaves_no_traceback_in_the_log(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with proxy_before(database_url) as proxy:
        database = Database(proxy.url, connections=2)
        await database.open()
        try:
            with caplog.at_level(logging.INFO):
                proxy.refuse()
                for _ in range(3):
                    with pytest.raises(LINK) as met:
                        await event_reads.clock(database)
                    assert fault_of(met.value) is Fault.LINK
            assert [record for record in caplog.records if record.name.startswith("asyncpg")] == []
            proxy.thaw()
            await event_reads.clock(database)
        finally:
            await database.close()


async def test_a_database_out_of_reach_is_told_when_the_pool_is_opened(database_url: str) -> None:
    async with proxy_before(database_url) as proxy:
        proxy.refuse()
        with pytest.raises(LINK) as met:
            await Database(proxy.url).open()
        assert fault_of(met.value) is Fault.LINK
