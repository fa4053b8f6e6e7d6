"""``ayes doctor`` names sessions that hold servers up, and databases that cannot write."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from server.config.settings import Settings
from server.doctor import database, sessions, writing
from server.doctor.finding import Finding, Level
from tests.parts import execute


async def found_by_doctor(url: str) -> list[Finding]:
    """The findings about the database."""
    given = Settings(auth_secret="x" * 40, database_url=url)
    return [finding async for finding in database.findings(url, given)]


def of(found: list[Finding], subject: str) -> list[Finding]:
    """The findings of one subject with a problem."""
    return [each for each in found if each.subject == subject and each.level is not Level.OK]


@asynccontextmanager
async def session(url: str, *statements: str, name: str = "psql") -> AsyncIterator[Any]:
    """A foreign session that has said ``statements`` in a transaction that stays open."""
    connection = await asyncpg.connect(url, server_settings={"application_name": name})
    try:
        for statement in ("BEGIN", *statements):
            await connection.execute(statement)
        yield connection
    finally:
        connection.terminate()


@asynccontextmanager
async def waiting(url: str, statement: str, name: str) -> AsyncIterator[None]:
    """A session that waits for a lock."""
    connection = await asyncpg.connect(url, server_settings={"application_name": name})
    pid = await connection.fetchval("SELECT pg_backend_pid()")
    asked = asyncio.create_task(connection.execute(statement))
    looking = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(30):
            while not await looking.fetchval("SELECT pg_blocking_pids($1) <> '{}'", pid):
                await asyncio.sleep(0.01)
        yield
    finally:
        connection.terminate()
        looking.terminate()
        await asyncio.gather(asked, return_exceptions=True)


async def test_a_healthy_database_has_no_session_to_name_and_writes(database_url: str) -> None:
    found = await found_by_doctor(database_url)
    assert not of(found, "locks")
    assert not of(found, "schema")
    [written] = [each for each in found if each.subject == "writes"]
    assert "a COMMIT takes" in written.fact


async def test_the_session_that_others_wait_for_is_named_with_its_table(database_url: str) -> None:
    lock = "LOCK TABLE proposals IN ACCESS EXCLUSIVE MODE"
    async with session(database_url, lock) as holder:
        pid = await holder.fetchval("SELECT pg_backend_pid()")
        async with waiting(database_url, "SELECT count(*) FROM proposals", "ayes"):
            [finding] = of(await found_by_doctor(database_url), "locks")
    assert finding.level is Level.FAIL
    assert "1 session waits for a lock on proposals of session" in finding.fact
    assert f"session {pid} (psql, role " in finding.fact
    assert "idle in transaction" in finding.fact
    assert f"pg_terminate_backend({pid})" in finding.cure


@pytest.mark.parametrize("mode", ["SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"])
async def test_a_lock_that_forbids_writes_is_named_before_somebody_waits(
    database_url: str, mode: str
) -> None:
    async with session(database_url, f"LOCK TABLE votes IN {mode} MODE"):
        [finding] = of(await found_by_doctor(database_url), "locks")
    assert finding.level is Level.FAIL
    assert finding.fact.startswith("votes: nothing can be written there")


async def test_locks_that_forbid_nothing_are_none_of_its_business(database_url: str) -> None:
    reading = "LOCK TABLE votes IN ACCESS SHARE MODE"
    async with session(database_url, reading), session(database_url, "SELECT 1 FROM events"):
        assert not of(await found_by_doctor(database_url), "locks")


async def test_a_forgotten_transaction_with_rows_of_ayes(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_IDLE_S", 0.0)
    async with session(database_url, "SELECT 1 FROM events FOR UPDATE"):
        [finding] = of(await found_by_doctor(database_url), "locks")
    assert finding.level is Level.WARN
    assert "has locks on events, and does nothing" in finding.fact


async def test_a_transaction_that_is_open_for_long(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_TRANSACTION_S", 0.0)
    async with session(database_url, "SELECT 1"):
        [finding] = of(await found_by_doctor(database_url), "locks")
    assert finding.level is Level.WARN
    assert "cannot clean up behind it" in finding.fact


async def test_a_locked_table_of_versions_does_not_end_the_report(database_url: str) -> None:
    async with session(database_url, "LOCK TABLE alembic_version"):
        found = await found_by_doctor(database_url)
    assert "alembic_version: nothing can be written" in of(found, "locks")[0].fact
    assert of(found, "schema")[0].fact == "alembic_version is locked: no server can start"
    assert any(each.subject == "connections" for each in found)


async def test_a_role_that_may_see_little_still_learns_who_blocks(
    database_url: str, postgres_url: str
) -> None:
    role = f"narrow_{secrets.token_hex(4)}"
    await asyncio.to_thread(execute, postgres_url, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    try:
        parts = urlsplit(database_url)
        host = parts.netloc.rpartition("@")[2]
        narrow = parts._replace(netloc=f"{role}:x@{host}").geturl()
        async with session(database_url, "LOCK TABLE votes"):
            connection = await asyncpg.connect(narrow)
            found = [each async for each in sessions.findings(connection)]
            await connection.close()
        [finding] = found
        assert "votes: nothing can be written there" in finding.fact
        assert "not shown to this role" in finding.fact
    finally:
        await asyncio.to_thread(execute, postgres_url, f"DROP ROLE {role}")


async def test_a_slow_disk_is_seen_in_the_time_of_a_commit(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "MAX_COMMIT_S", 0.0)
    [finding] = of(await found_by_doctor(database_url), "writes")
    assert finding.level is Level.WARN
    assert "each batch of votes waits as long" in finding.fact


async def test_no_session_left_is_no_wrong_address(postgres_url: str, database_url: str) -> None:
    role = f"few_{secrets.token_hex(4)}"
    made = f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 0"
    await asyncio.to_thread(execute, postgres_url, made)
    try:
        parts = urlsplit(database_url)
        host = parts.netloc.rpartition("@")[2]
        url = parts._replace(netloc=f"{role}:x@{host}").geturl()
        [finding] = of(await found_by_doctor(url), "database")
    finally:
        await asyncio.to_thread(execute, postgres_url, f"DROP ROLE {role}")
    assert "PostgreSQL has no session left" in finding.fact
    assert "max_connections" in finding.cure
