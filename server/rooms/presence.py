"""Who is connected to an event, summed over nodes.

Each node tells the others how many members of a room it has, with a mark for each, so that somebody
connected to two nodes counts once. Beyond ``MAX_MARKS`` a node tells its number alone, and whoever
has sockets on it and on another node may be counted for each.

What a node told counts for ``LIFE_SECONDS``: a dead node's members age out, and with Redis gone
each node is soon left with its own. Nobody tells anything of a room twice in a second, or unchanged
where no other node has that room.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from server.bus.port import MARK_BYTES, MAX_MARKS, Bus, Headcount
from server.rooms.room import Room

#: Seconds between two tellings of what did not change, and until what was told counts no more:
#: two may get lost.
REFRESH_SECONDS = 5.0
LIFE_SECONDS = 15.0
#: Other nodes that are counted in a room.
MOST_NODES = 64


class _Elsewhere(NamedTuple):
    """What another node told, and until when it counts."""

    online: int
    marks: frozenset[bytes] | None
    until: float


class _Shared:
    """A room that other nodes have too."""

    def __init__(self) -> None:
        self.nodes: dict[str, _Elsewhere] = {}
        self.told_at = 0.0


class Presence:
    """The counts of connected members of this node's rooms."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._shared: dict[Room, _Shared] = {}
        self._changed: set[Room] = set()
        """Whose count may have changed for the sockets."""
        self._moved: set[Room] = set()
        """Whose members here the other nodes should be told."""
        self._asking: set[Room] = set()

    def begin(self, room: Room) -> None:
        """What others told of ``room`` was not heard until now: ask them."""
        self._asking.add(room)
        self._moved.add(room)

    def end(self, room: Room) -> None:
        """Nobody here is in ``room`` any more."""
        for rooms in (self._changed, self._moved, self._asking):
            rooms.discard(room)
        if self._shared.pop(room, None) is not None:
            self._bus.tell(Headcount(room.event_id, self._bus.node, 0, frozenset()))

    def touch(self, room: Room) -> None:
        """Somebody has come or gone here."""
        self._changed.add(room)
        self._moved.add(room)

    def again(self, room: Room) -> None:
        """A socket could not be told yet."""
        self._changed.add(room)

    def hear(self, room: Room, told: Headcount, now: float) -> None:
        """Take what another node told of ``room``."""
        if told.asks:
            self._moved.add(room)
        nodes = self._shared.setdefault(room, _Shared()).nodes
        before = nodes.get(told.node)
        if told.online == 0:
            nodes.pop(told.node, None)
        elif before is not None or len(nodes) < MOST_NODES:
            nodes[told.node] = _Elsewhere(told.online, told.marks, now + LIFE_SECONDS)
        if (before and before[:2]) != (told.online, told.marks):
            self._changed.add(room)

    def turn(self, now: float) -> set[Room]:
        """The rooms whose count may have changed since the last turn; tells the other nodes.

        To be called once a second.
        """
        for room, shared in list(self._shared.items()):
            self._age(room, shared, now)
        moved, self._moved = self._moved, set()
        for room in moved:
            self._tell(room, now)
        changed, self._changed = self._changed, set()
        return changed

    def _age(self, room: Room, shared: _Shared, now: float) -> None:
        for node in [node for node, told in shared.nodes.items() if told.until <= now]:
            del shared.nodes[node]
            self._changed.add(room)
        if not shared.nodes:
            del self._shared[room]
        elif now - shared.told_at >= REFRESH_SECONDS:
            self._moved.add(room)

    def _tell(self, room: Room, now: float) -> None:
        asks = room in self._asking
        self._asking.discard(room)
        here = room.members_here()
        marks = _marks(room, here) if len(here) <= MAX_MARKS else None
        self._bus.tell(Headcount(room.event_id, self._bus.node, len(here), marks, asks))
        if (shared := self._shared.get(room)) is not None:
            shared.told_at = now

    def online(self, room: Room) -> int:
        """Members (not sockets) who are connected, to this node or to another."""
        here = room.members_here()
        shared = self._shared.get(room)
        if shared is None:
            return len(here)
        unnamed = 0
        named: set[bytes] = set()
        for told in shared.nodes.values():
            if told.marks is None:
                unnamed += told.online
            else:
                named |= told.marks
        if len(here) <= MAX_MARKS:
            named |= _marks(room, here)
        else:
            unnamed += len(here)
        members: int = room.document["counts"]["members"]
        return max(len(here), min(len(named) + unnamed, members))


def _marks(room: Room, users: list[str]) -> frozenset[bytes]:
    """The same on every node, and in no two events: nobody can be followed by them."""
    key = blake2b(room.event_id.encode()).digest()
    return frozenset(
        blake2b(user.encode(), digest_size=MARK_BYTES, key=key).digest() for user in users
    )
