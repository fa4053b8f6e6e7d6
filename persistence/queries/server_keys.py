"""Keys that all nodes of a database share; each is made by the first node that asks for it."""

from __future__ import annotations

import secrets
from typing import Final

from sqlalchemy import LargeBinary, Text, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from persistence.database import tables as t
from persistence.database.pool import Database
from persistence.database.statements import Statement

#: Bytes of a key: as many as SHA-256 gives.
KEY_BYTES: Final = 32

_NAME = bindparam("name", type_=Text)
_MAKE = Statement(
    "make_key",
    insert(t.server_keys)
    .values(name=_NAME, key=bindparam("key", type_=LargeBinary))
    .on_conflict_do_nothing(index_elements=["name"]),
)
_READ = Statement("read_key", select(t.server_keys.c.key).where(t.server_keys.c.name == _NAME))


async def shared_key(database: Database, name: str) -> bytes:
    """Return the key ``name``, ``KEY_BYTES`` long; make it if there is none."""
    async with database.connection() as connection:
        row = await _READ.row(connection, name=name)
        if row is None:
            await _MAKE.run(connection, name=name, key=secrets.token_bytes(KEY_BYTES))
            row = await _READ.row(connection, name=name)
    key: bytes = row["key"]
    return key
