"""A round over very many events: a few commands in each, and long pauses between them.

All other events have a command between two commands of one event, so the nodes have dropped what
they knew of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.campaign.event import Event
from tests.campaign.plan import SEATS, USERS, Plan, Planned, echoes_of, strikes
from tests.campaign.round import Fire, Round
from tests.campaign.seat import Seat
from tests.campaign.users import user_of
from tests.campaign.venue import Venue
from tests.model.history import Json

#: The acts in each event, one step after another.
STEPS = ("create", "join", "start", "propose", "vote")
#: Offset between the number of an event's maker and that of its second member.
APART = 7
POLICY: Json = {"membership_auto": True, "assumption": {"threshold": 2}}


def wide_commands(events: int) -> int:
    """The number of commands of a round over ``events``."""
    return events * len(STEPS)


def wide_plan(seed: int, events: int, faults: Sequence[str]) -> Plan:
    """Each step for all events before the next one, and one strike for each of ``faults``."""
    rng = random.Random(seed)
    drawn = [
        Planned(
            number=step * events + event,
            event=event,
            user=(event + (APART if kind in ("join", "vote") else 0)) % USERS,
            seat=rng.randrange(SEATS),
            kind=kind,
            draw=rng.getrandbits(48),
            echoes=echoes_of(rng),
        )
        for step, kind in enumerate(STEPS)
        for event in range(events)
    ]
    return Plan(seed, drawn, strikes(rng, len(drawn), faults))


class Wide(Round):
    """Its events are made by its commands; a seat is in the first room that its user made."""

    def __init__(self, venue: Venue, plan: Plan, fire: Fire, *, name: str) -> None:
        super().__init__(venue, plan, fire, name=name)
        self.events = [Event(number) for number in range(len(plan.commands) // len(STEPS))]
        self._proposals: dict[int, str] = {}

    async def _make_events(self) -> None:
        """Make no events: the plan's commands make them."""

    def _may_enter(self, seat: Seat) -> bool:
        return bool(seat.event)

    async def _do(self, planned: Planned) -> None:
        event = self.events[planned.event]
        words = self._words(planned, event)
        if words is None:
            return
        answer = await self._say(planned, event, user_of(planned.user), words)
        result = answer.get("result") or {}
        if planned.kind == "create" and result:
            event.id, event.code = result["event"], result["entrance_code"]
            seat = self.seats[user_of(planned.user)][planned.event // USERS % SEATS]
            seat.event = seat.event or event.id
        elif planned.kind == "propose" and result:
            self._proposals[event.number] = result["proposal"]

    def _words(self, planned: Planned, event: Event) -> Json | None:
        """``None`` if a part it needs was never made; the command is reported as not settled."""
        if planned.kind == "create":
            return {"type": "event.create", "subject": self.name, "policy": POLICY}
        if not event.id:
            return None
        if planned.kind == "join":
            return {"type": "membership.join", "code": event.code}
        on: Json = {"event": event.id}
        if planned.kind == "start":
            return {"type": "event.start"} | on
        if planned.kind == "propose":
            content = f"words of {planned.number}"
            proposal = {"kind": "assumption", "category": "create", "content": content}
            return {"type": "proposal.create"} | on | proposal
        if (proposal_id := self._proposals.get(event.number)) is None:
            return None
        return {"type": "vote.cast", "proposal": proposal_id, "revision": 1} | on

    async def _end_events(self) -> None:
        """Do nothing: no timer moves these events."""

    async def _see_the_ends(self) -> None:
        """Do nothing: members have looked at their rooms during the round."""
