"""The rows of users: one is made the first time that a user's token is seen."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from handlers.step import Actor
from persistence.database.batch_loader import BatchLoader
from persistence.database.overload import unreachable
from persistence.database.pool import Database
from persistence.queries import event_reads

#: Users known to be in the database. Beyond it the least recently used is forgotten, which costs
#: one statement when that user comes again. Some 20 MB.
MAX_KNOWN_USERS: Final = 100_000


class Users:
    """Makes users' rows, and remembers which exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names: OrderedDict[str, str] = OrderedDict()
        """User → name, as the database has it; the least recently used first."""
        self._rows: BatchLoader[tuple[str, str], bool] = BatchLoader(self._put)

    async def know(self, actor: Actor) -> None:
        """Make the user's row, or update its name, in a transaction of its own.

        Raises ``overloaded`` if the database is out of reach.
        """
        if self._names.get(actor.user) == actor.name:
            self._names.move_to_end(actor.user)
            return
        # Forgotten first: if the answer is lost, nobody knows which name the database has.
        self._names.pop(actor.user, None)
        try:
            await self._rows.load((actor.user, actor.name))
        except Exception as err:
            raise unreachable(err) from err
        self._names.pop(actor.user, None)
        self._names[actor.user] = actor.name
        while len(self._names) > MAX_KNOWN_USERS:
            self._names.popitem(last=False)

    async def _put(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], bool]:
        await event_reads.put_users(self._database, dict(keys))
        return dict.fromkeys(keys, True)
