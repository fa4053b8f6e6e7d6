"""``ayes upgrade-postgres``: bring the embedded database to this version's PostgreSQL.

The new database is made next to the old one, from a dump, and proved. Only then it takes the old
one's place; the old data stay under another name. Epochs stay: no step is lost.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import asyncpg

from persistence.database.migrate import upgrade_async
from persistence.embedded.binaries import find_binaries
from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from server.cli.backup import check_embedded, prove_all, run_program
from server.config.settings import Settings
from server.config.start_error import StartError

#: Folder in the data directory where the new database is made; absent before and afterwards.
_WORKSHOP: Final = "upgrade"


def run(settings: Settings, programs: Path | None) -> int:
    """Run ``upgrade-postgres``; return the exit status. Raises ``StartError``."""
    try:
        for line in upgrade_postgres(settings, programs):
            print(line)
    except (EmbeddedPostgresError, asyncpg.PostgresError, OSError) as err:
        raise StartError(str(err)) from err
    return 0


def upgrade_postgres(settings: Settings, programs: Path | None) -> Iterator[str]:
    """Bring the embedded database to the newest PostgreSQL found; yield what was done.

    ``programs``: the folder with the programs that the data were made by, if they are in no usual
    place. Raises ``StartError`` and ``SettingsError``; the database is unchanged then.
    """
    check_embedded(settings, "upgrade-postgres")
    home = Path.cwd() / settings.data_dir
    old = EmbeddedPostgres(home, programs=programs)
    made_by, newest = old.made_by(), find_binaries(None)
    if made_by is None:
        raise StartError(f"there is no database in {home}")
    if made_by >= newest.major:
        yield f"the database is one of PostgreSQL {made_by} already; nothing to do"
        return
    kept = home / f"postgres-{made_by}-before"
    if kept.exists():
        raise StartError(f"{kept} is there already; move it out of the way")
    # Takes the lock of the data directory: a running server keeps it.
    url = old.start()
    workshop = home / _WORKSHOP
    try:
        shutil.rmtree(workshop, ignore_errors=True)
        events = _copied(url, workshop)
        yield f"{events} events copied from PostgreSQL {made_by}; each is proved by its journal"
        old.replace_data(workshop / "postgres", kept)
    finally:
        old.stop()
        shutil.rmtree(workshop, ignore_errors=True)
    yield (
        f"the database is one of PostgreSQL {newest.version} now. The old one is kept in {kept}, "
        "with its postgresql.conf; delete it when you no longer need it"
    )


def _copied(url: str, workshop: Path) -> int:
    """Copy the database at ``url`` into a new one in ``workshop``; return its number of events."""
    new = EmbeddedPostgres(workshop)
    new_url = new.start()
    try:
        dump = workshop / "ayes.dump"
        # The newer pg_dump reads the older server, and knows what has changed since.
        run_program(new_url, "pg_dump", "--format=custom", f"--file={dump}", url)
        run_program(
            new_url,
            "pg_restore",
            "--exit-on-error",
            "--no-owner",
            f"--dbname={new_url}",
            str(dump),
        )
        asyncio.run(upgrade_async(new_url))
        return asyncio.run(prove_all(new_url))
    finally:
        new.stop()
