"""Revoked access, as this node knows it.

A node that can reach the database reads a committed revocation within ``REVOCATION_INTERVAL_S``
plus one small statement. From then on that node refuses the user's tokens that were not issued
clearly after the revocation (by ``LEEWAY``). It closes the sockets and streams that such a token
opened. It decides no command that came with one, even if the command already waits for its
event's lock.
What was decided before stays. A node that cannot reach the database goes by what it knew last, and
decides nothing meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from persistence.database.periodic import Periodic
from persistence.database.pool import Database
from persistence.queries import revocations
from protocol.errors import ErrorCode, RetryableError
from server.identity.auth import LEEWAY, Identity

#: Seconds between two looks.
REVOCATION_INTERVAL_S = 1.0
#: Looks until the table is read as a whole, for rows that were changed or deleted by hand.
POLLS_PER_FULL_READ = 300


class Revoked(RetryableError):
    """The token was good, and the user's access was revoked after it was made."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.UNAUTHENTICATED, "access was revoked")


class Revocations:
    """Who was revoked; ``tell(user)`` hears of each that is new.

    One entry a user that was ever revoked is held in memory, some 200 bytes.
    """

    def __init__(self, database: Database, tell: Callable[[str], None]) -> None:
        self._database = database
        self._tell = tell
        self._cursor = 0
        self._looks = 0
        # Out of reach, the next look goes on from the same place.
        self.task = Periodic("revocations", REVOCATION_INTERVAL_S, self.look)
        self._before: dict[str, datetime] = {}

    async def start(self) -> None:
        """Read all there are, then go on looking; raises where the database is out of reach."""
        await self.look()
        self.task.start()

    async def stop(self) -> None:
        """End."""
        await self.task.stop()

    def check(self, identity: Identity) -> None:
        """Raise ``Revoked`` where the token of ``identity`` is too old."""
        if self._before and self.is_revoked(identity.actor.user, identity.issued):
            raise Revoked

    def is_revoked(self, user: str, issued: datetime | None) -> bool:
        """Whether a token made then is too old; one that does not say when it was made is.

        Its issuer's clock may be ahead by ``LEEWAY``: what is not clearly later is too old.
        """
        before = self._before.get(user)
        return before is not None and (issued is None or issued <= before + LEEWAY)

    async def look(self) -> None:
        """Read what is new."""
        all_of_it = self._looks % POLLS_PER_FULL_READ == 0
        found = await revocations.changed(self._database, 0 if all_of_it else self._cursor)
        if found.cursor < self._cursor:
            # Another database under the same address: its transactions count anew.
            found = await revocations.changed(self._database)
            all_of_it = True
        self._looks += 1
        self._cursor = found.cursor
        new = [user for user, before in found.before.items() if self._before.get(user) != before]
        if all_of_it:
            self._before.clear()
        self._before.update(found.before)
        for user in new:
            self._tell(user)
