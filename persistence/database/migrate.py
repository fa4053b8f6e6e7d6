"""Schema migrations with Alembic, under an advisory lock: nodes that start together take turns."""

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

from persistence.database import connecting
from persistence.database.connecting import UnfitDatabaseError

#: Key of the advisory lock around an upgrade; any number that Ayes alone uses.
UPGRADE_LOCK_KEY = 0x41594553_00000001
#: How long a node waits for another node's upgrade; then its start fails. A start must not hang on
#: another node.
UPGRADE_TIMEOUT_MS = 60_000
#: Longest that one statement of a migration takes; beyond it, the start fails. An index over many
#: millions of rows takes minutes.
MIGRATION_TIMEOUT_S = 3_600.0


def config() -> Config:
    """Return Alembic's configuration; there is no ini file."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    return settings


def upgrade(url: str) -> None:
    """Upgrade the schema of the database at ``url`` to this version, if it is older.

    Raises ``UnfitDatabaseError`` if it is newer.
    Not for use in a running event loop; use ``upgrade_async`` there.
    """
    asyncio.run(upgrade_async(url))


async def upgrade_async(url: str) -> None:
    """Do the same as ``upgrade``, in a running event loop."""

    async def connect() -> asyncpg.Connection[Any]:
        return await connecting.connect(
            url,
            name="ayes migrate",
            settings={"lock_timeout": str(UPGRADE_TIMEOUT_MS)},
            command_timeout=MIGRATION_TIMEOUT_S,
        )

    # The driver gets the URL unchanged, so that every form it knows works.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    connection.execute(select(func.pg_advisory_xact_lock(UPGRADE_LOCK_KEY)))
    settings = config()
    # Usually the schema is current, which can be seen without Alembic's machinery.
    if is_current(connection, settings):
        return
    if newer := _unknown(connection, settings):
        # This version would write rows without what the newer one relies on.
        raise UnfitDatabaseError(
            f"the database is at {newer}, which this version does not know: a newer server has "
            "migrated it. Run that version, or restore a backup from before"
        )
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def _unknown(connection: Connection, settings: Config) -> str | None:
    """Return the database's revision if this version does not have it."""
    known = {found.revision for found in ScriptDirectory.from_config(settings).walk_revisions()}
    found = MigrationContext.configure(connection).get_current_heads()
    return next((revision for revision in found if revision not in known), None)


def is_current(connection: Connection, settings: Config) -> bool:
    """Whether the schema is at the newest revision."""
    heads = ScriptDirectory.from_config(settings).get_heads()
    return set(MigrationContext.configure(connection).get_current_heads()) == set(heads)
