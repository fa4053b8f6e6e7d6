"""``ayes delete``: an event is exported to a file, then deleted."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TextIO

from handlers.rules.invitations import GUEST_PREFIX, INVITED_PREFIX
from persistence.database.pool import Database
from persistence.journal import rewriting
from persistence.journal.transaction import Transaction
from server.cli import audit
from server.cli.audit import AuditError


async def delete(database: Database, event_id: str, path: Path, *, damaged: bool = False) -> str:
    """Export the event to ``path``, which must be new, verify the file, and delete the event.

    Ids and answers of its commands stay, without names: a late repeat gets its answer, and
    ``event.create`` does not create the event again. Its entrance codes stay taken. ``damaged``:
    go on if the export does not verify. Raises ``AuditError``; then nothing is deleted, and the
    export does not stay: it has every vote.
    """
    seq, hash = await _export(database, event_id, path)
    try:
        await _delete_exported(database, event_id, path, (seq, hash), damaged=damaged)
    except AuditError:
        # Never after another error: the event may be gone then.
        _remove(path)
        raise
    return f"event {event_id}: {seq} lines are in {path}, and the event is deleted"


async def _delete_exported(
    database: Database, event_id: str, path: Path, exported: tuple[int, bytes], *, damaged: bool
) -> None:
    """Verify the export in ``path``; delete the event if it still ends where the export does."""
    try:
        await asyncio.to_thread(audit.verify_file, path)
    except AuditError as err:
        if not damaged:
            raise AuditError(
                f"nothing was deleted: the export does not verify: {err} (--damaged goes on)"
            ) from None
    async with Transaction.begin(database) as transaction:
        position = await transaction.lock(event_id)
        if position is None:
            raise AuditError(f"there is no event {event_id}")
        if (position.seq, position.hash) != exported:
            raise AuditError("nothing was deleted: the event changed meanwhile; run it again")
        await rewriting.be_patient(transaction.connection)
        await rewriting.delete(transaction.connection, event_id, (GUEST_PREFIX, INVITED_PREFIX))
        await transaction.commit()


async def _export(database: Database, event_id: str, path: Path) -> tuple[int, bytes]:
    """Write the export so that it survives a crash; return the position that it ends at."""
    try:
        # It has every vote and ballot.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise AuditError(f"{path} exists already; the export goes to a new file") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            event = await audit.export(database, event_id, write=lambda line: _put(file, line))
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        _remove(path)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return event.seq, event.hash


def _put(file: TextIO, line: str) -> None:
    file.write(line + "\n")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
