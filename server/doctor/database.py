"""PostgreSQL as a server meets it: version, durability, sessions, schema, connections, clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from persistence.database import migrate
from persistence.database.connecting import UnfitDatabaseError, check_sessions, connect
from persistence.database.failures import trouble_of
from persistence.database.pool import SESSION
from server.config.masking import mask_url
from server.config.settings import Settings
from server.doctor import sessions, writing
from server.doctor.finding import Finding, fail, ok, warn

#: The oldest PostgreSQL that its makers mend, as ``server_version_num`` has it; an older one fails.
#: It lacks security fixes. The tests run on the embedded one.
MIN_VERSION: Final = 150_000
#: Seconds between this machine's clock and the database's; beyond it, the report warns. Deadlines
#: of proposals follow the database's clock, tokens this machine's.
MAX_CLOCK_SKEW_S: Final = 5.0
#: Connections of a server in addition to its pool: the instance lock, the revocations, a migration.
MAX_OTHER_CONNECTIONS: Final = 3

_FACTS: Final = """
SELECT current_setting('server_version_num')::int AS version,
    current_setting('server_version') AS version_text,
    current_setting('fsync') AS fsync,
    current_setting('full_page_writes') AS full_page_writes,
    current_setting('synchronous_commit') AS synchronous_commit,
    current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int AS connections,
    (SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit') AS own_commit,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
        AND application_name NOT LIKE 'ayes%') AS used,
    (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ayes') AS ayes,
    (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_limit,
    (SELECT datconnlimit FROM pg_database WHERE datname = current_database()) AS database_limit,
    current_setting('server_encoding') AS encoding,
    has_schema_privilege(current_schema(), 'CREATE') AS may_create,
    to_regclass('alembic_version') IS NOT NULL AS has_schema,
    current_user AS role,
    clock_timestamp() AS now
"""


async def findings(url: str, settings: Settings) -> AsyncIterator[Finding]:
    """Yield the findings about the database at ``url``; the first that forbids all others ends."""
    try:
        await check_sessions(url)
        connection = await connect(url, name="ayes doctor", settings=SESSION)
    except UnfitDatabaseError as err:
        fact, _, cure = str(err).partition(": ")
        yield fail("database", fact, cure or "see docs/scaling.md")
        return
    except asyncpg.PostgresError as err:
        found = trouble_of(err)
        yield fail("database", f"{found.fact}: {err}", found.cure)
        return
    except (OSError, asyncpg.InterfaceError, ValueError, TimeoutError) as err:
        why = str(err) or type(err).__name__
        cure = f"start it, or correct AYES_DATABASE_URL ({mask_url(url)})"
        yield fail("database", f"it is out of reach: {why}", cure)
        return
    try:
        facts = await connection.fetchrow(_FACTS)
        assert facts is not None
        away = abs((facts["now"] - datetime.now(UTC)).total_seconds())
        for finding in (*_server(facts), *_durability(facts)):
            yield finding
        # Before the first table is read, which a foreign lock may forbid.
        async for finding in sessions.findings(connection):
            yield finding
        async for finding in _of_schema(connection, facts):
            yield finding
        yield await writing.finding(connection)
    except (asyncpg.PostgresError, TimeoutError, OSError) as err:
        found = trouble_of(err)
        said = str(err) or type(err).__name__
        yield fail("database", f"{found.fact} ({said})", found.cure)
        return
    finally:
        connection.terminate()
    for finding in (*_connections(facts, settings), *_clock(away)):
        yield finding


async def _of_schema(connection: asyncpg.Connection[Any], facts: Any) -> AsyncIterator[Finding]:
    revisions: list[str] = []
    if facts["has_schema"]:
        try:
            rows = await connection.fetch("SELECT version_num FROM alembic_version")
        except asyncpg.LockNotAvailableError:
            yield fail("schema", "alembic_version is locked: no server can start", sessions.CURE)
            return
        revisions = [row[0] for row in rows]
    for finding in await asyncio.to_thread(lambda: [*_schema(facts, revisions)]):
        yield finding


def _server(facts: Any) -> Iterator[Finding]:
    if facts["version"] < MIN_VERSION:
        yield fail(
            "database", f"PostgreSQL {facts['version_text']} is too old", "upgrade to 15 or newer"
        )
    if facts["encoding"] != "UTF8":
        yield fail(
            "database",
            f"its encoding is {facts['encoding']}: most texts of people cannot be stored",
            "make a database with ENCODING 'UTF8' TEMPLATE template0",
        )


def _durability(facts: Any) -> Iterator[Finding]:
    for name in ("fsync", "full_page_writes"):
        if facts[name] != "on":
            yield fail(
                "database",
                f"{name} is {facts[name]}: a power cut can lose acknowledged votes",
                f"set {name} = on in postgresql.conf and reload",
            )
    if facts["own_commit"] not in ("on", "remote_apply", "remote_write", "local"):
        yield warn(
            "database",
            f"synchronous_commit is {facts['own_commit']} for the role {facts['role']}; Ayes sets "
            f"it to {facts['synchronous_commit']} in its sessions, other programs get the former",
            f'ALTER ROLE "{facts["role"]}" RESET synchronous_commit',
        )
    yield ok(
        "database",
        f"PostgreSQL {facts['version_text']}, synchronous_commit={facts['synchronous_commit']} as "
        "a session has it, each connection has its own session, it takes writes",
    )


def _schema(facts: Any, revisions: list[str]) -> Iterator[Finding]:
    script = ScriptDirectory.from_config(migrate.config())
    heads = set(script.get_heads())
    if set(revisions) == heads:
        yield ok("schema", f"at {', '.join(sorted(heads))}, the newest that this version knows")
        return
    for revision in revisions:
        try:
            script.get_revision(revision)
        except CommandError:
            yield fail(
                "schema",
                f"the database is at {revision}, which this version does not know: a newer server "
                "has migrated it",
                "run that version, or restore a backup from before; there is no way down",
            )
            return
    if not facts["may_create"]:
        yield fail(
            "schema",
            f"the role {facts['role']} may not create tables, and a migration is due",
            f'GRANT CREATE ON SCHEMA public TO "{facts["role"]}", or run ayes migrate as the owner',
        )
        return
    known = ", ".join(revisions) or "empty"
    yield ok("schema", f"{known}; the next start brings it to {', '.join(sorted(heads))}")


def _connections(facts: Any, settings: Settings) -> Iterator[Finding]:
    wanted = settings.database_connections + MAX_OTHER_CONNECTIONS
    limits = {
        "max_connections of the server": facts["connections"] - facts["used"],
        f"CONNECTION LIMIT of the role {facts['role']}": facts["role_limit"],
        "CONNECTION LIMIT of the database": facts["database_limit"],
    }
    scarce = {name: limit for name, limit in limits.items() if 0 <= limit < wanted}
    for name, limit in scarce.items():
        yield fail(
            "connections",
            f"a server needs {wanted} (AYES_DATABASE_CONNECTIONS and {MAX_OTHER_CONNECTIONS}), and "
            f"{name} leaves {limit}",
            "raise it, or lower AYES_DATABASE_CONNECTIONS",
        )
    if not scarce:
        free = facts["connections"] - facts["used"]
        yield ok("connections", f"{wanted} for a server, {free} free, {facts['ayes']} of Ayes now")


def _clock(away: float) -> Iterator[Finding]:
    if away > MAX_CLOCK_SKEW_S:
        yield warn(
            "clock",
            f"this machine and the database are {away:.0f} s apart: tokens are judged by one clock "
            "and deadlines by the other",
            "let both follow NTP",
        )
