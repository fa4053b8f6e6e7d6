"""Schema migrations: Alembic, under an advisory lock: nodes that start together take turns."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, pool, select
from sqlalchemy.ext.asyncio import create_async_engine

#: Key of the advisory lock round an upgrade; any number that is ours alone.
UPGRADE_LOCK = 0x41594553_00000001
#: Longest that a node waits for another one's upgrade.
LOCK_TIMEOUT_MS = 60_000


def config() -> Config:
    """Alembic's configuration; there is no ini file."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    return settings


def upgrade(url: str) -> None:
    """Bring the schema of the database at ``url`` up to this version; does nothing if it is.

    Not for a running event loop: use ``upgrade_async`` there.
    """
    asyncio.run(upgrade_async(url))


async def upgrade_async(url: str) -> None:
    """``upgrade`` for a running event loop."""

    async def connect() -> asyncpg.Connection[Any]:
        settings = {"lock_timeout": str(LOCK_TIMEOUT_MS), "application_name": "ayes migrate"}
        connection = await asyncpg.connect(url, server_settings=settings)
        # A pooler between may have dropped it.
        await connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        return connection

    # The driver is handed the plain URL itself, so that every form it knows works as written.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    connection.execute(select(func.pg_advisory_xact_lock(UPGRADE_LOCK)))
    settings = config()
    # A schema that is as it should be is the common case: found without Alembic's machinery.
    if is_current(connection, settings):
        return
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def is_current(connection: Connection, settings: Config) -> bool:
    """Whether the schema is at the newest revision."""
    heads = ScriptDirectory.from_config(settings).get_heads()
    return set(MigrationContext.configure(connection).get_current_heads()) == set(heads)
