"""What a database error means for the batch that met it."""

from __future__ import annotations

import asyncio
from enum import Enum

import asyncpg


class Fault(Enum):
    """What to do about an error."""

    AGAIN = "again"
    """Serialization failure, deadlock, cancelled statement, taken key: run the batch again."""
    LINK = "link"
    """The link to the database broke or cannot be made: run it again on a fresh one."""
    LOCKED = "locked"
    """The event's lock was not had in time."""
    REFUSED = "refused"
    """The database refuses what the batch wrote: some command in it is bad."""


class NotCommitted(Exception):
    """PostgreSQL answered COMMIT with ROLLBACK: the transaction had failed before."""


_AGAIN = ("40001", "40P01", "57014", "23505")
_LOCKED = ("55P03",)
_LINK_CLASSES = ("08", "57P", "53")
_LINK = ("25006",)


def fault_of(err: BaseException) -> Fault | None:
    """The fault that ``err`` is, or ``None`` where it is no database error at all.

    Errors without an SQLSTATE (a socket reset, a driver that finds its connection closed, a
    deadline) are nearly half of what a crashing database raises: they are lost links. A unique
    key taken meanwhile (23505) means another process decided the same thing: read, decide anew.
    """
    if isinstance(err, asyncpg.PostgresError):
        state = err.sqlstate or ""
        if state in _LOCKED:
            return Fault.LOCKED
        if state in _AGAIN:
            return Fault.AGAIN
        if state in _LINK or state.startswith(_LINK_CLASSES) or not state:
            return Fault.LINK
        return Fault.REFUSED
    if isinstance(err, NotCommitted):
        return Fault.AGAIN
    if isinstance(err, asyncpg.DataError | asyncpg.UnsupportedClientFeatureError):
        return Fault.REFUSED
    if isinstance(err, asyncpg.InternalClientError | OSError | TimeoutError | EOFError):
        return Fault.LINK
    if isinstance(err, asyncpg.InterfaceError):
        # An argument that the driver cannot encode is a ValueError as well.
        return Fault.REFUSED if isinstance(err, ValueError) else Fault.LINK
    if isinstance(err, asyncio.IncompleteReadError):
        return Fault.LINK
    return None
