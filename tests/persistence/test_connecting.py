"""New connections: their settings hold through any pooler, or the server refuses to serve."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import asyncpg
import pytest

from persistence.database.connecting import UnfitDatabaseError, check_sessions, connect, set_up
from persistence.database.faults import Fault, fault_of
from persistence.database.migrate import upgrade_async
from persistence.database.pool import SESSION, Database
from persistence.embedded.postgres import EmbeddedPostgres
from persistence.queries import event_reads
from tests.campaign.equipment import needed
from tests.campaign.pooler import Pooler
from tests.parts import QUICK
from tests.promises.proxy import proxy_before

Pooled: TypeAlias = Callable[[str], Awaitable[str]]


@pytest.fixture
async def pooled(database_url: str) -> AsyncIterator[Pooled]:
    """Starts a PgBouncer with its defaults in a mode; returns the database's address through it."""
    needed("PgBouncer")
    async with AsyncExitStack() as stack:
        # As root, PgBouncer reads its file as another account, which cannot enter ``tmp_path``.
        folder = Path(stack.enter_context(TemporaryDirectory()))
        folder.chmod(0o755)

        # Nor can it open the database's Unix socket.
        relay = await stack.enter_async_context(proxy_before(database_url))

        async def begin(mode: str) -> str:
            pooler = Pooler(relay.url, folder / mode, mode)
            stack.push_async_callback(pooler.end)
            await pooler.begin()
            return pooler.url

        yield begin


async def settings_of(connection: asyncpg.Connection) -> dict[str, str]:
    """The settings that the session really uses."""
    rows = await connection.fetch(
        "SELECT lower(name) AS name, setting FROM pg_settings WHERE lower(name) = ANY($1)",
        list(SESSION),
    )
    return {row["name"]: row["setting"] for row in rows}


async def test_a_session_keeps_its_settings_through_a_pgbouncer_as_it_comes(
    pooled: Pooled, database_url: str
) -> None:
    url = await pooled("session")
    await check_sessions(url)
    await upgrade_async(url)
    database = Database(url, connections=2)
    await database.open()
    try:
        async with database.connection() as connection:
            assert await settings_of(connection) == SESSION
        await event_reads.clock(database)
    finally:
        await database.close()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_a_pooler_that_changes_sessions_is_refused_at_the_start(
    pooled: Pooled, mode: str
) -> None:
    url = await pooled(mode)
    with pytest.raises((UnfitDatabaseError, asyncpg.PostgresError)) as met:
        await check_sessions(url)
    if mode == "transaction":
        assert "pool_mode=session" in str(met.value)


async def test_the_server_says_in_one_line_why_it_does_not_serve(
    pooled: Pooled, tmp_path: Path
) -> None:
    done = await asyncio.to_thread(serve, await pooled("transaction"), tmp_path)
    assert done.returncode == 1
    assert "pool_mode=session" in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    ("user", "path"), [("nobody_here", ""), ("", "nothing_here")], ids=["role", "database"]
)
def test_an_account_that_the_database_refuses_is_one_line(
    database_url: str, tmp_path: Path, user: str, path: str
) -> None:
    url = database_url.replace("postgresql://", f"postgresql://{user}@") if user else database_url
    if user:
        url = "postgresql://" + user + "@" + database_url.rpartition("@")[2]
    if path:
        url = url.rpartition("/")[0] + "/" + path
    done = serve(url, tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr


async def test_a_role_that_waits_for_no_disk_is_overruled(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute("ALTER ROLE CURRENT_USER SET synchronous_commit = off")
        database = Database(database_url, connections=1)
        await database.open()
        try:
            async with database.connection() as own:
                assert await own.fetchval("SHOW synchronous_commit") == "on"
        finally:
            await database.close()
    finally:
        await connection.execute("ALTER ROLE CURRENT_USER RESET synchronous_commit")
        await connection.close()


async def test_a_session_that_does_not_keep_a_setting_is_refused(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        # A setting that does not take effect: PostgreSQL shows another value than the one that was
        # set.
        with pytest.raises(UnfitDatabaseError, match="lock_timeout was set to 2s"):
            await set_up(connection, {"lock_timeout": "2s"})
    finally:
        await connection.close()


async def test_a_database_that_takes_no_writes_is_refused_and_named(database_url: str) -> None:
    database = await asyncpg.connect(database_url)
    name = await database.fetchval("SELECT current_database()")
    try:
        await database.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
        with pytest.raises(UnfitDatabaseError, match="takes no writes") as met:
            await connect(database_url, name="test")
        assert fault_of(met.value) is Fault.LINK
    finally:
        await database.execute("SET default_transaction_read_only = off")
        await database.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
        await database.close()


async def test_a_standby_is_refused_and_the_cure_is_named(home: Path) -> None:
    data = home / "postgres"
    signal = data / "standby.signal"
    signal.touch()
    owner = data.stat()
    os.chown(signal, owner.st_uid, owner.st_gid)
    embedded = EmbeddedPostgres(home, settings=QUICK)
    url = await asyncio.to_thread(embedded.start)
    try:
        with pytest.raises(UnfitDatabaseError, match="target_session_attrs=read-write"):
            await check_sessions(url)
    finally:
        await asyncio.to_thread(embedded.stop)


def serve(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run ``ayes serve`` on a database; it must end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "server.cli", "serve"],
        env=os.environ
        | {"AYES_DATABASE_URL": url, "AYES_PORT": "0", "AYES_DATA_DIR": str(folder / "data")},
        capture_output=True,
        text=True,
        timeout=60,
    )
