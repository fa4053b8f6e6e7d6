"""An event of a round, who sits in which one's room, and how long a round waits for what."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.campaign.plan import EVENTS, HOT, SEATS
from tests.campaign.seat import View
from tests.model.history import Json, Operation


@dataclass(frozen=True)
class Patience:
    """How long a round waits for what should come."""

    answer: float = 40.0
    """Seconds for an answer on a line that holds: a batch's budget is 5 s, and others of its event
    may take theirs first, while something is frozen."""
    seat: float = 60.0
    """Seconds until one of a user's seats is open."""
    tries: int = 60
    """How often something undecided is sent again."""
    heal: float = 30.0
    """Seconds until all sockets are back, or all rooms at the top, once nothing is wrong."""


@dataclass
class Event:
    """One event of the round, and what was sent about it."""

    number: int
    id: str = ""
    code: str = ""
    view: View = field(default_factory=View)
    operations: list[Operation] = field(default_factory=list)
    final: dict[str, Json] = field(default_factory=dict)
    """The state documents at the end, by audience."""


def room_of(user: int, seat: int) -> int:
    """The event whose room a user's socket is in: the makers' first sockets are in their own,
    all other first ones in the hot one, the rest are spread."""
    if seat == 0:
        return user if user < EVENTS else HOT
    return 1 + (user * (SEATS - 1) + seat) % (EVENTS - 1)


def told(answer: Json | None) -> str:
    """An operation's end, for the report."""
    if answer is None:
        return "none: the socket was gone"
    if answer["type"] == "ack":
        return "ack, replayed" if answer["replayed"] else "ack"
    code: str = answer["code"]
    return f"{code}, replayed" if answer.get("replayed") else code
