"""A fault of the database is named for what it is: only one that does not answer is unreachable."""

from __future__ import annotations

import asyncio
import secrets
from urllib.parse import urlsplit

import asyncpg
import pytest

from persistence.database.connecting import connect
from persistence.database.failures import Kind, kind_of, trouble_of
from persistence.database.overload import unreachable
from persistence.database.pool import SESSION, Database
from protocol.errors import RetryableError
from tests.parts import execute, free_port


async def test_a_table_that_another_session_locked(database_url: str) -> None:
    holder = await asyncpg.connect(database_url)
    await holder.execute("BEGIN; LOCK TABLE events")
    settings = SESSION | {"lock_timeout": "50"}
    connection = await connect(database_url, name="ayes", settings=settings)
    with pytest.raises(asyncpg.LockNotAvailableError) as caught:
        await connection.fetch("SELECT * FROM events")
    found = trouble_of(caught.value)
    assert found.kind is Kind.LOCKED
    assert "another session holds a lock" in found.fact
    assert "ayes doctor" in found.cure
    # The error that a client gets meanwhile is of the same kind.
    told = unreachable(caught.value)
    told.__cause__ = caught.value
    assert isinstance(told, RetryableError)
    assert trouble_of(told) == found
    connection.terminate()
    holder.terminate()


async def test_a_statement_that_takes_too_long(database_url: str) -> None:
    settings = SESSION | {"statement_timeout": "20"}
    connection = await connect(database_url, name="ayes", settings=settings)
    with pytest.raises(asyncpg.QueryCanceledError) as caught:
        await connection.fetch("SELECT pg_sleep(30)")
    assert kind_of(caught.value) is Kind.SLOW
    connection.terminate()


async def test_a_pool_whose_connections_are_all_in_use(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.database.pool.POOL_TIMEOUT_S", 0.02)
    database = Database(database_url, connections=1)
    await database.open()
    async with database.connection():
        with pytest.raises(TimeoutError) as caught:
            async with database.connection():
                pass
    await database.close()
    found = trouble_of(caught.value)
    assert found.kind is Kind.POOL
    assert "AYES_DATABASE_CONNECTIONS" in found.fact


async def test_a_role_that_may_not_come_in(postgres_url: str, database_url: str) -> None:
    role = f"out_{secrets.token_hex(4)}"
    host = urlsplit(database_url).netloc.rpartition("@")[2]
    url = urlsplit(database_url)._replace(netloc=f"{role}:x@{host}").geturl()
    await asyncio.to_thread(execute, postgres_url, f"CREATE ROLE {role} NOLOGIN")
    try:
        with pytest.raises(asyncpg.PostgresError) as caught:
            await asyncpg.connect(url)
        assert kind_of(caught.value) is Kind.LOGIN
        # No command is at fault: it is tried again.
        assert isinstance(unreachable(caught.value), RetryableError)
        let_in = f"ALTER ROLE {role} LOGIN CONNECTION LIMIT 0"
        await asyncio.to_thread(execute, postgres_url, let_in)
        with pytest.raises(asyncpg.TooManyConnectionsError) as full:
            await asyncpg.connect(url)
        assert kind_of(full.value) is Kind.SESSIONS
    finally:
        await asyncio.to_thread(execute, postgres_url, f"DROP ROLE {role}")


async def test_a_database_that_takes_no_writes(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("SET default_transaction_read_only = on")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError) as caught:
        await connection.execute("DELETE FROM votes")
    await connection.close()
    assert trouble_of(caught.value).kind is Kind.UNFIT


async def test_a_table_of_another_version_and_a_missing_right(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    with pytest.raises(asyncpg.UndefinedTableError) as caught:
        await connection.fetch("SELECT * FROM from_the_future")
    await connection.close()
    found = trouble_of(caught.value)
    assert found.kind is Kind.REFUSED
    assert "a table or column that this version needs" in found.fact


async def test_nothing_that_answers() -> None:
    with pytest.raises(ConnectionRefusedError) as caught:
        await asyncpg.connect(f"postgresql://x:y@127.0.0.1:{free_port()}/z", timeout=5)
    assert kind_of(caught.value) is Kind.UNREACHABLE


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (asyncpg.DiskFullError, Kind.DISK, "full"),
        (asyncpg.OutOfMemoryError, Kind.MEMORY, "no memory"),
        (asyncpg.CannotConnectNowError, Kind.UNREACHABLE, "starting or recovers"),
        (asyncpg.AdminShutdownError, Kind.UNREACHABLE, "stops or restarts"),
        (asyncpg.InsufficientPrivilegeError, Kind.REFUSED, "lacks a right"),
        (asyncpg.DeadlockDetectedError, Kind.LOCKED, "each other's locks"),
        (LookupError, Kind.DEFECT, "defect"),
    ],
)
def test_each_state_has_its_words(error: type[Exception], kind: Kind, words: str) -> None:
    found = trouble_of(error("hunter2"))
    assert found.kind is kind
    assert words in found.fact
    assert found.cure
    assert "hunter2" not in str(found)
