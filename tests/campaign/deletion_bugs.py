"""Bugs of a deletion, to plant in a node; they join those of ``bugs.py``.

A node deletes by a process of its own, which knows no patch. With these bugs it deletes by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg

from handlers.rules.invitations import GUEST_PREFIX, INVITED_PREFIX
from persistence.database.pool import Database
from persistence.journal import rewriting
from persistence.journal.transaction import Transaction
from protocol.errors import ErrorCode, RetryableError
from server.admin.acts import Acts
from server.cli import deleting
from server.cli.audit import AuditError
from server.rooms.filling import Filler
from tests.campaign.bugs import BUGS, bug, replace

#: Deletions in the rounds with such a bug.
DELETIONS = 4
#: Seconds between the export and the deletion that trusts it.
BETWEEN_SECONDS = 0.5

Delete = Callable[[Database, str, Path], Awaitable[str]]


def _delete_by(delete: Delete) -> None:
    async def wrapped(self: Acts, event: str, *, damaged: bool) -> tuple[Path, list[str]]:
        folder = self._node.settings.export_dir
        assert folder is not None
        path = folder / f"{event}-{asyncio.get_running_loop().time()}.jsonl"
        try:
            return path, [await delete(self._node.database, event, path)]
        except AuditError as err:
            raise RetryableError(ErrorCode.BUSY, str(err), retry_after_ms=100) from None

    replace(Acts, "delete", lambda _: wrapped)


@bug("deleted with votes that no export has", 1, deletions=DELETIONS)
def _deleted_with_votes_that_no_export_has() -> None:
    async def careless(database: Database, event: str, path: Path) -> str:
        await deleting._export(database, event, path)
        await asyncio.sleep(BETWEEN_SECONDS)
        async with Transaction.begin(database) as transaction:
            await transaction.lock(event)
            prefixes = (GUEST_PREFIX, INVITED_PREFIX)
            await rewriting.delete(transaction.connection, event, prefixes)
            await transaction.commit()
        return ""

    _delete_by(careless)


@bug("a tombstone that forgets", 1, 2, deletions=DELETIONS)
def _a_tombstone_that_forgets() -> None:
    def forgetting(delete: Any) -> Any:
        async def wrapped(connection: asyncpg.Connection[Any], event: str, *rest: Any) -> None:
            await delete(connection, event, *rest)
            await connection.execute("DELETE FROM journal WHERE event_id = $1", event)

        return wrapped

    replace(rewriting, "delete", forgetting)
    _delete_by(deleting.delete)


@bug("a deleted event keeps its room", 13, deletions=DELETIONS)
def _a_deleted_event_keeps_its_room() -> None:
    replace(Filler, "_end", lambda _: lambda self, room, deleted: None)


#: These and those of ``bugs.py``.
ALL_BUGS = BUGS
