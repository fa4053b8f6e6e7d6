"""An event of a round, the rooms of its users' sockets, and the patience of a round."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.campaign.plan import EVENTS, HOT, SEATS
from tests.campaign.seat import View
from tests.model.history import Json, Operation


@dataclass(frozen=True)
class Patience:
    """Longest waits of a round for what should happen."""

    answer: float = 40.0
    """Seconds for an answer on a working line.

    A batch's budget is 5 s, and earlier batches of its event may take theirs first while a part is
    frozen.
    """
    seat: float = 60.0
    """Seconds until one of a user's seats is open."""
    tries: int = 60
    """Seconds before an undecided command is sent again."""
    heal: float = 30.0
    """Seconds until all sockets are back, or all rooms at the top, after every fault has healed."""


@dataclass
class Event:
    """An event of the round, and the operations on it."""

    number: int
    id: str = ""
    code: str = ""
    view: View = field(default_factory=View)
    operations: list[Operation] = field(default_factory=list)
    final: dict[str, Json] = field(default_factory=dict)
    """The state documents at the end, by audience."""


def room_of(user: int, seat: int) -> int:
    """The event whose room a user's socket is in.

    The makers' first sockets are in their own events' rooms, all other first sockets in the hot
    one's. The rest are spread over the events.
    """
    if seat == 0:
        return user if user < EVENTS else HOT
    return 1 + (user * (SEATS - 1) + seat) % (EVENTS - 1)


def told(answer: Json | None) -> str:
    """How an operation ended, for the report."""
    if answer is None:
        return "none: the socket was gone"
    if answer["type"] == "ack":
        return "ack, replayed" if answer["replayed"] else "ack"
    code: str = answer["code"]
    return f"{code}, replayed" if answer.get("replayed") else code
