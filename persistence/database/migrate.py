"""Schema migrations with Alembic, under an advisory lock: nodes that start together take turns.

Most starts find a current schema. They read its revision with the driver and import no Alembic,
which would take a third of a start's processor time.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from sqlalchemy import Connection, func, pool, select

from persistence.database import connecting
from persistence.database.connecting import UnfitDatabaseError

if TYPE_CHECKING:
    from alembic.config import Config

#: Key of the advisory lock around an upgrade; any number that Ayes alone uses.
UPGRADE_LOCK_KEY = 0x41594553_00000001
#: How long a node waits for another node's upgrade; then its start fails. A start must not hang on
#: another node.
UPGRADE_TIMEOUT_MS = 60_000
#: Longest that one statement of a migration takes; beyond it, the start fails. An index over many
#: millions of rows takes minutes.
MIGRATION_TIMEOUT_S = 3_600.0
_MIGRATIONS = Path(__file__).parents[1] / "migrations"


def config() -> Config:
    """Return Alembic's configuration; there is no ini file."""
    from alembic.config import Config

    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS))
    return settings


def newest_revision() -> str:
    """Return the revision of the last migration. The names of their files begin with revisions."""
    return max(path.name for path in (_MIGRATIONS / "versions").glob("[0-9]*.py")).split("_")[0]


def upgrade(url: str) -> None:
    """Upgrade the schema of the database at ``url`` to this version, if it is older.

    Raises ``UnfitDatabaseError`` if it is newer.
    Not for use in a running event loop; use ``upgrade_async`` there.
    """
    asyncio.run(upgrade_async(url))


async def upgrade_async(url: str) -> None:
    """Bring the schema up to date in a running event loop, and raise, as ``upgrade`` does."""

    async def connect() -> asyncpg.Connection[Any]:
        return await connecting.connect(
            url,
            name="ayes migrate",
            settings={"lock_timeout": str(UPGRADE_TIMEOUT_MS)},
            command_timeout=MIGRATION_TIMEOUT_S,
        )

    connection = await connect()
    try:
        if await is_current(connection):
            return
    finally:
        await connection.close()

    from sqlalchemy.ext.asyncio import create_async_engine

    # The driver gets the URL unchanged, so that every form it knows works.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=connect, poolclass=pool.NullPool
    )
    try:
        async with engine.begin() as beginning:
            await beginning.run_sync(_upgrade)
    finally:
        await engine.dispose()


async def is_current(connection: asyncpg.Connection[Any]) -> bool:
    """Whether the schema is at the newest revision.

    It needs no lock: the revision is committed with the last migration.
    """
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return False
    rows = await connection.fetch("SELECT version_num FROM alembic_version")
    return [row["version_num"] for row in rows] == [newest_revision()]


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    connection.execute(select(func.pg_advisory_xact_lock(UPGRADE_LOCK_KEY)))
    settings = config()
    script = ScriptDirectory.from_config(settings)
    found = set(MigrationContext.configure(connection).get_current_heads())
    if found == set(script.get_heads()):
        # Another node did it meanwhile.
        return
    if newer := found - {known.revision for known in script.walk_revisions()}:
        # This version would write rows without what the newer one relies on.
        raise UnfitDatabaseError(
            f"the database is at {min(newer)}, which this version does not know: a newer server "
            "has migrated it. Run that version, or restore a backup from before"
        )
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
