"""The deployment's own id: the same for all nodes on one database, another for every other one."""

from __future__ import annotations

import hashlib
from typing import Final

import asyncpg

from persistence.database.connecting import connect

#: Hex digits of an id: two deployments on one Redis share one by chance in 2^48 cases.
ID_DIGITS: Final = 12


async def deployment_id(url: str) -> str:
    """Return the id of the deployment whose database is at ``url``.

    It follows from the cluster of databases and the database in it, so that a failover keeps it. A
    physical copy of the whole cluster has the same one. Raises what ``connect`` raises.
    """
    connection = await connect(url, name="ayes deployment")
    try:
        name = await connection.fetchval(
            "SELECT concat(oid, ':', datname) FROM pg_database WHERE datname = current_database()"
        )
        try:
            cluster = await connection.fetchval("SELECT system_identifier FROM pg_control_system()")
        except asyncpg.PostgresError:
            # Some hosted databases keep it to themselves.
            cluster = ""
    finally:
        connection.terminate()
    return hashlib.sha256(f"{cluster}:{name}".encode()).hexdigest()[:ID_DIGITS]
