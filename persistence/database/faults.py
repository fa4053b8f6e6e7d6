"""Classify a database error by what it means for the batch that met it."""

from __future__ import annotations

import asyncio
from enum import Enum

import asyncpg


class Fault(Enum):
    """The kinds of database error, by what to do about them."""

    AGAIN = "again"
    """Serialization failure, deadlock, cancelled statement or unique violation: retry the batch."""
    LINK = "link"
    """The connection broke or cannot be made, or takes no writes: retry the batch on a new one."""
    LATE = "late"
    """No answer in time, for whatever reason: treated as a lost connection, and counted apart."""
    LOCKED = "locked"
    """The event's lock was not available in time."""
    REFUSED = "refused"
    """The database refuses what the batch wrote: one of its commands is at fault."""


class PoolTimeoutError(TimeoutError):
    """No connection of this node's own pool became free in time."""


class NotCommitted(Exception):
    """PostgreSQL answered COMMIT with ROLLBACK: the transaction had failed before."""


_AGAIN = ("40001", "40P01", "57014", "23505")
_LOCKED = ("55P03",)
# With 28 and 3D000 the role may not connect any more, with 58 the machine below PostgreSQL failed:
# no command is at fault.
_LINK_CLASSES = ("08", "57P", "53", "28", "58")
_LINK = ("25006", "3D000")


def fault_of(err: BaseException) -> Fault | None:
    """Return the fault that ``err`` is, or ``None`` if it is no database error.

    Errors without an SQLSTATE are lost connections: a socket reset, a closed connection, a timeout.
    They are nearly half of what a crashing database raises. A unique violation (23505) means that
    another process decided the same command: read, and decide again.
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
    if isinstance(err, TimeoutError) and err.errno is None:
        # A locked table, a slow disk and a database that hangs all look like this.
        return Fault.LATE
    if isinstance(err, asyncpg.InternalClientError | OSError | EOFError):
        return Fault.LINK
    if isinstance(err, asyncpg.InterfaceError):
        # An argument that the driver cannot encode raises a ValueError too.
        return Fault.REFUSED if isinstance(err, ValueError) else Fault.LINK
    if isinstance(err, asyncio.IncompleteReadError):
        return Fault.LINK
    return None
