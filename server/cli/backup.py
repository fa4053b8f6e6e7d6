"""``ayes backup`` and ``ayes restore``: the embedded database as one file, and back.

A restore is made next to the database: read from the file, migrated, given new epochs, and proved.
Only then it takes the database's place; the old one stays under another name.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from persistence.database.migrate import upgrade_async
from persistence.database.pool import Database
from persistence.embedded.binaries import find_binaries
from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError
from persistence.journal.epochs import pages, renew
from server.cli.audit import AuditError, verify_event
from server.config.database_url import database_url
from server.config.loading import SettingsError
from server.config.settings import Settings
from server.config.start_error import StartError

#: Longest that ``pg_dump`` or ``pg_restore`` may take; then it is ended, and nothing has changed.
COPY_TIMEOUT_S: Final = 3_600.0
#: Longest wait for a statement on whole databases, such as ``CREATE DATABASE``.
STATEMENT_TIMEOUT_S: Final = 60.0

_RESTORED: Final = "ayes_restored"


def run(verb: str, settings: Settings, file: Path) -> int:
    """Run ``backup`` or ``restore``; return the exit status. Raises ``StartError``."""
    try:
        for line in (backup if verb == "backup" else restore)(settings, file):
            print(line)
    except (EmbeddedPostgresError, asyncpg.PostgresError, OSError) as err:
        raise StartError(str(err)) from err
    return 0


def backup(settings: Settings, file: Path) -> Iterator[str]:
    """Write the embedded database to ``file``, also while a server runs; yield what was done.

    Raises ``StartError`` and ``SettingsError``. The file is complete or absent.
    """
    check_embedded(settings, "backup")
    if file.exists():
        raise StartError(f"{file} is there already; it is not replaced")
    partial = file.with_name(f"{file.name}.partial")
    with suppress(FileNotFoundError):
        partial.unlink()
    # Made first, since pg_dump would make it readable by everybody.
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with database_url(settings) as url:
            run_program(url, "pg_dump", "--format=custom", f"--file={partial}", url)
            events = asyncio.run(_count(url))
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(file)
    finally:
        partial.unlink(missing_ok=True)
    yield (
        f"{file}: {events} events, {file.stat().st_size:,} bytes. Keep {settings.data_dir}/"
        "auth_secret as well: without it every token is void"
    )


def restore(settings: Settings, file: Path) -> Iterator[str]:
    """Put ``file`` in the place of the embedded database; yield what was done.

    Raises ``StartError`` and ``SettingsError``; the database is unchanged then.
    """
    check_embedded(settings, "restore")
    if not file.is_file():
        raise StartError(f"there is no file {file}")
    with _stopped_server(settings) as url:
        asyncio.run(_on_server(url, f"DROP DATABASE IF EXISTS {_RESTORED} WITH (FORCE)"))
        asyncio.run(_on_server(url, f"CREATE DATABASE {_RESTORED}"))
        restored = _named(url, _RESTORED)
        try:
            run_program(
                url,
                "pg_restore",
                "--exit-on-error",
                "--no-owner",
                f"--dbname={restored}",
                str(file),
            )
            proved = asyncio.run(_prove(restored))
        except BaseException:
            asyncio.run(_on_server(url, f"DROP DATABASE IF EXISTS {_RESTORED} WITH (FORCE)"))
            raise
        yield f"{proved} events restored; each has a new epoch and is proved by its journal"
        current = urlsplit(url).path.removeprefix("/")
        before = f"{current}_before_{datetime.now(UTC):%Y%m%d_%H%M%S}"
        # Both in one transaction: without a database of its name, a server would make an empty one.
        swap = f"ALTER DATABASE {current} RENAME TO {before}; "
        swap += f"ALTER DATABASE {_RESTORED} RENAME TO {current}"
        asyncio.run(_on_server(url, swap))
        yield f"the database from before is kept as {before}"


def check_embedded(settings: Settings, verb: str) -> None:
    """Raise ``SettingsError`` if the settings name a database that is not the embedded one."""
    if settings.database_url is not None:
        raise SettingsError(
            f"ayes {verb} is for the embedded database; AYES_DATABASE_URL names one of your own: "
            "use pg_dump and pg_restore, then ayes new-epoch"
        )


@contextmanager
def _stopped_server(settings: Settings) -> Iterator[str]:
    """Start the embedded database, which no server may use meanwhile."""
    embedded = EmbeddedPostgres(settings.data_dir)
    # Takes the lock of the data directory: a running server keeps it.
    url = embedded.start()
    try:
        yield url
    finally:
        embedded.stop()


def run_program(url: str, name: str, *arguments: str) -> None:
    """Run a program of the PostgreSQL at ``url``. Raises ``StartError`` with its own message."""
    # One of another version may write what this server does not read.
    binaries = find_binaries(asyncio.run(_major(url)))
    try:
        done = subprocess.run(
            [binaries.program(name), *arguments],
            capture_output=True,
            text=True,
            timeout=COPY_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise StartError(f"{name} took more than {COPY_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        raise StartError(f"{name}: {done.stderr.strip()}")


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def _on_server(url: str, statement: str) -> None:
    """Run a statement about databases, from one that is not concerned."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(_named(url, "postgres"))
    try:
        await connection.execute(statement, timeout=STATEMENT_TIMEOUT_S)
    finally:
        await connection.close()


async def _major(url: str) -> int:
    """Return PostgreSQL's major version."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(_named(url, "postgres"))
    try:
        return connection.get_server_version().major
    finally:
        await connection.close()


async def _count(url: str) -> int:
    database = Database(url, connections=1)
    await database.open()
    try:
        return sum([len(ids) async for ids in pages(database, None)])
    finally:
        await database.close()


async def _prove(url: str) -> int:
    """Migrate a restored database, renew its epochs, verify every event; return their number."""
    await upgrade_async(url)
    database = Database(url, connections=2)
    await database.open()
    try:
        await renew(database, None)
    finally:
        await database.close()
    return await prove_all(url)


async def prove_all(url: str) -> int:
    """Verify every event of a database; return their number. Raises ``StartError``."""
    database = Database(url, connections=2)
    await database.open()
    count = 0
    try:
        async for ids in pages(database, None):
            for event in ids:
                try:
                    await verify_event(database, event, strict=False)
                except AuditError as err:
                    raise StartError(f"event {event} is not proved: {err}") from err
                count += 1
    finally:
        await database.close()
    return count
