"""One server alone on its database, for as long as it runs."""

from __future__ import annotations

import asyncio
import logging

import asyncpg
import pytest

from persistence.sole import SOLE_LOCK, SoleServer, SoleServerError

HOLDERS = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = $1 "
    "AND objid = $2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


async def holder(url: str) -> int | None:
    """The session that holds the lock."""
    connection = await asyncpg.connect(url)
    try:
        pid = await connection.fetchval(HOLDERS, SOLE_LOCK >> 32, SOLE_LOCK & 0xFFFFFFFF)
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
    monkeypatch.setattr("persistence.sole.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("persistence.sole.WAIT_SECONDS", 0.1)
    async with SoleServer(database_url):
        first = await holder(database_url)
        await cut(database_url)
        async with asyncio.timeout(10):
            while await holder(database_url) in (None, first):
                await asyncio.sleep(0.05)
        with pytest.raises(SoleServerError):
            await SoleServer(database_url).__aenter__()
    assert await holder(database_url) is None


async def test_who_lost_the_lock_to_another_server_says_so_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("persistence.sole.LOOK_SECONDS", 1.0)
    async with SoleServer(database_url):
        await cut(database_url)
        async with SoleServer(database_url):
            async with asyncio.timeout(10):
                while not [r for r in caplog.records if r.levelno == logging.ERROR]:
                    await asyncio.sleep(0.05)
            monkeypatch.setattr("persistence.sole.LOOK_SECONDS", 0.05)
            await asyncio.sleep(0.5)
    told = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert ["another ayes server uses this database" in record.message for record in told] == [True]
