"""A user's own view of an event, read for many users by one statement."""

from __future__ import annotations

from persistence.database.batch_loader import BatchLoader
from persistence.database.overload import unreachable
from persistence.database.pool import Database
from persistence.queries import event_reads
from persistence.queries.event_reads import UserView
from protocol.errors import ErrorCode, FinalError


class UserViews:
    """Reads the views of users who may enter an event's room."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._views: BatchLoader[tuple[str, str], UserView] = BatchLoader(self._fetch)

    async def load(self, event_id: str, user: str) -> UserView:
        """Return ``user``'s view of the event.

        Raises ``not_found`` or ``not_a_member`` if the user may not enter its room, and
        ``overloaded`` if the database is out of reach.
        """
        try:
            own = await self._views.load((event_id, user))
        except Exception as err:
            raise unreachable(err) from err
        if own is None or own.membership is None:
            raise FinalError(ErrorCode.NOT_FOUND, details={"path": "event"})
        if own.membership.status not in ("accepted", "pending"):
            raise FinalError(ErrorCode.NOT_A_MEMBER, details={"status": own.membership.status})
        return own

    async def _fetch(self, keys: list[tuple[str, str]]) -> dict[tuple[str, str], UserView]:
        found = await event_reads.own(self._database, keys)
        return {(own.event, own.user): own for own in found}
