"""Revoked access, as this node knows it, and the background task that reads it.

A node that can reach the database reads a committed revocation within ``REVOCATION_INTERVAL_S``
plus one small statement. From then on that node refuses the user's tokens that were not issued
clearly after the revocation (by ``LEEWAY``). It closes the sockets and streams that such a token
opened. It decides no command that came with one, even if the command already waits for its
event's lock. Decided commands stay decided. A node that cannot reach the database keeps its last
state, and decides nothing meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.queries import revocations
from protocol.errors import ErrorCode, RetryableError
from server.identity.auth import LEEWAY, Identity

#: Seconds between two reads of new revocations.
REVOCATION_INTERVAL_S = 1.0
#: Reads after which the whole table is read, for rows that were changed or deleted by hand.
POLLS_PER_FULL_READ = 300


class Revoked(RetryableError):
    """The user's access was revoked after the token was made."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.UNAUTHENTICATED, "access was revoked")


class Revocations:
    """The users with revoked access; ``on_revoked(user)`` is called for each new one.

    Each user that was ever revoked takes some 200 bytes of memory.
    """

    def __init__(self, database: Database, on_revoked: Callable[[str], None]) -> None:
        self._database = database
        self._on_revoked = on_revoked
        self._cursor = 0
        self._looks = 0
        # If the database is out of reach, the next read continues at the same cursor.
        self.task = Periodic("revocations", REVOCATION_INTERVAL_S, self.look)
        self._before: dict[str, datetime] = {}

    async def start(self) -> None:
        """Read all revocations, then poll for new ones. Raises if the database is out of reach."""
        await self.look()
        self.task.start()

    async def stop(self) -> None:
        """Stop polling."""
        await self.task.stop()

    def check(self, identity: Identity) -> None:
        """Raise ``Revoked`` if the token of ``identity`` is from before a revocation."""
        if self._before and self.is_revoked(identity.actor.user, identity.issued):
            raise Revoked

    def is_revoked(self, user: str, issued: datetime | None) -> bool:
        """Whether a token made then is too old; one that does not say when it was made is.

        Its issuer's clock may be ahead by ``LEEWAY``: what is not clearly later is too old.
        """
        before = self._before.get(user)
        return before is not None and (issued is None or issued <= before + LEEWAY)

    async def look(self) -> None:
        """Read the new revocations, or all of them at intervals. Raises as ``start`` does."""
        all_of_it = self._looks % POLLS_PER_FULL_READ == 0
        found = await revocations.changed(self._database, 0 if all_of_it else self._cursor)
        if found.cursor < self._cursor:
            # The address leads to another database, with its own transaction numbers.
            found = await revocations.changed(self._database)
            all_of_it = True
        self._looks += 1
        self._cursor = found.cursor
        new = [user for user, before in found.before.items() if self._before.get(user) != before]
        if all_of_it:
            self._before.clear()
        self._before.update(found.before)
        for user in new:
            self._on_revoked(user)
