"""Only one server uses a database at a time, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg
import pytest

from persistence.database.instance_lock import INSTANCE_LOCK_KEY, InstanceLock, InstanceLockError

HOLDERS = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = $1 "
    "AND objid = $2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


async def holder(url: str) -> int | None:
    """The session that holds the lock."""
    connection = await asyncpg.connect(url)
    try:
        pid = await connection.fetchval(
            HOLDERS, INSTANCE_LOCK_KEY >> 32, INSTANCE_LOCK_KEY & 0xFFFFFFFF
        )
        return None if pid is None else int(pid)
    finally:
        await connection.close()


async def cut(url: str) -> None:
    """End the session that holds the lock, as a restart of PostgreSQL does."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_terminate_backend($1, 5000)", await holder(url))
    finally:
        await connection.close()


async def test_the_lock_is_taken_again_where_its_session_was_lost(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.database.instance_lock.CHECK_INTERVAL_S", 0.05)
    monkeypatch.setattr("persistence.database.instance_lock.START_TIMEOUT_S", 0.1)
    async with InstanceLock(database_url):
        first = await holder(database_url)
        await cut(database_url)
        async with asyncio.timeout(30):
            while await holder(database_url) in (None, first):
                await asyncio.sleep(0.05)
        with pytest.raises(InstanceLockError):
            await InstanceLock(database_url).__aenter__()
    assert await holder(database_url) is None


async def test_who_lost_the_lock_to_another_server_says_so_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # The only checks are those of this test.
    monkeypatch.setattr("persistence.database.instance_lock.CHECK_INTERVAL_S", 3_600.0)
    async with InstanceLock(database_url) as first:
        await cut(database_url)
        async with InstanceLock(database_url):
            # The first check may only find that its session has ended.
            for _ in range(5):
                await first.task.once()
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert ["another ayes server uses this database" in record.message for record in told] == [True]


async def test_a_start_that_fails_leaves_no_connection_and_no_lock(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(self: InstanceLock, connection: asyncpg.Connection[Any]) -> None:
        assert await connection.fetchval(self._take, INSTANCE_LOCK_KEY)
        raise ConnectionResetError("in the middle of taking the lock")

    with monkeypatch.context() as patched:
        patched.setattr(InstanceLock, "_wait_for_lock", broken)
        with pytest.raises(ConnectionResetError):
            await InstanceLock(database_url).__aenter__()
    # If the session had stayed open, this would wait for the lock and fail.
    async with InstanceLock(database_url):
        assert await holder(database_url) is not None
