"""An operator's acts in a round: a person's words are erased, and whole events deleted."""

from __future__ import annotations

from tests.campaign.deleting import Deleted, Playing
from tests.campaign.erasing import Erasures
from tests.campaign.event import Event
from tests.campaign.phrasing import Phrasing
from tests.campaign.plan import Planned

#: Kinds of the plan that are no command of a client.
ACTS = frozenset(("erase", "delete"))


class Operator:
    """The operator of one round."""

    def __init__(self, played: Playing) -> None:
        self.erasures = Erasures(played.venue.postgres)
        self.deleted: list[Deleted] = []
        """The events that were deleted."""
        self._played = played

    async def act(self, planned: Planned, event: Event) -> list[str]:
        """Erase a member's words in ``event``, or delete an event of their own; return what went
        wrong."""
        if planned.kind == "erase":
            state = event.view.state
            return await self._erase(
                event.id, Phrasing(planned, event.id, state).of(state["members"])
            )
        deleted = Deleted(self._played, planned)
        wrong = await deleted.run(self._erase)
        if deleted.ended:
            self.deleted.append(deleted)
        return wrong

    async def _erase(self, event: str, user: str) -> list[str]:
        return await self.erasures.erase(event, user, self._played.patience.tries)
