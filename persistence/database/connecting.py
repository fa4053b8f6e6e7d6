"""New connections to PostgreSQL: session settings are set by statements and read back.

PgBouncer refuses unknown settings in the startup packet, or drops them if it is configured so. So
only the application's name is sent there. After the other settings were made, they are read back:
a session with ``synchronous_commit=off`` would lose acked votes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

#: Longest wait for a new connection and its settings; beyond it, the database is out of reach.
CONNECT_TIMEOUT_S: Final = 5.0

_POOLED = (
    "the database's pooler gives a connection another session for each transaction, which loses "
    "locks and settings: use pool_mode=session, or connect to PostgreSQL itself"
)
_STANDBY = (
    "this database is a standby, which cannot be written to: give the primary's address, or those "
    "of all servers with ?target_session_attrs=read-write"
)
_READ_ONLY = (
    "this database takes no writes (transaction_read_only is on): give the primary's address, or "
    "drop default_transaction_read_only from the role and the database"
)
#: PostgreSQL's errors behind a pooler that changes sessions between two messages.
_OTHER_SESSION = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)


class UnfitDatabaseError(ConnectionError):
    """The database is unfit for a server as it is; the message names the fault and the cure."""


async def connect(
    url: str,
    *,
    name: str,
    settings: Mapping[str, str] | None = None,
    command_timeout: float = CONNECT_TIMEOUT_S,
) -> asyncpg.Connection[Any]:
    """Open a connection with ``settings``, under the application's ``name``.

    Raises ``UnfitDatabaseError``, or what the driver raises if the database is out of reach.
    """
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=command_timeout,
        server_settings={"application_name": name},
    )
    try:
        await set_up(connection, settings or {})
    except BaseException:
        connection.terminate()
        raise
    return connection


async def set_up(connection: asyncpg.Connection[Any], settings: Mapping[str, str]) -> None:
    """Give a new connection its settings; raises ``UnfitDatabaseError`` if it does not keep them.

    ``settings``: names in lower case, values as ``pg_settings`` shows them.
    """
    try:
        await connection.execute(
            "SELECT set_config(name, value, false)"
            " FROM unnest($1::text[], $2::text[]) AS given(name, value)",
            list(settings),
            list(settings.values()),
        )
        rows = await connection.fetch(
            "SELECT lower(name) AS name, setting FROM pg_settings WHERE lower(name) = ANY($1)"
            " UNION ALL SELECT 'in_recovery', pg_is_in_recovery()::text"
            " UNION ALL SELECT 'read_only', current_setting('transaction_read_only')",
            list(settings),
        )
    except _OTHER_SESSION as err:
        raise UnfitDatabaseError(_POOLED) from err
    found = {row["name"]: row["setting"] for row in rows}
    if found.pop("in_recovery") == "true":
        raise UnfitDatabaseError(_STANDBY)
    if found.pop("read_only") == "on":
        raise UnfitDatabaseError(_READ_ONLY)
    lost = {name: value for name, value in settings.items() if found.get(name) != value}
    if lost:
        name, value = next(iter(lost.items()))
        raise UnfitDatabaseError(
            f"the database's sessions do not keep their settings: {name} was set to {value} and is "
            f"{found.get(name)}. If there is a pooler, use pool_mode=session"
        )


async def check_sessions(url: str) -> None:
    """Raise ``UnfitDatabaseError`` unless each connection has a session of its own.

    A pooler in transaction mode gives the session that one connection just used to the next one
    that begins a transaction. While that is open, the first gets another session, or none.
    """
    async with asyncio.timeout(2 * CONNECT_TIMEOUT_S):
        first = await connect(url, name="ayes check")
        try:
            second = await connect(url, name="ayes check")
            try:
                own = await first.fetchval("SELECT pg_backend_pid()")
                async with second.transaction():
                    is_shared = await second.fetchval("SELECT pg_backend_pid()") == own
                    if is_shared or await first.fetchval("SELECT pg_backend_pid()") != own:
                        raise UnfitDatabaseError(_POOLED)
            except _OTHER_SESSION as err:
                raise UnfitDatabaseError(_POOLED) from err
            finally:
                second.terminate()
        finally:
            first.terminate()
