"""The number of members connected to an event, summed over nodes.

Each node reports its number of members in a room, with a fingerprint for each, so that a member
connected to two nodes counts once. Above ``MAX_FINGERPRINTS`` a node reports the number alone; a
member with sockets on two such nodes may then count twice.

A report expires after ``REPORT_TTL_S``, so a dead node's members age out. If Redis is gone, each
node soon counts its own members only. A node reports a room at most once a second, and repeats an
unchanged number only if another node has that room.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

from server.bus.port import FINGERPRINT_BYTES, MAX_FINGERPRINTS, Bus, PresenceReport
from server.rooms.room import Room

#: Seconds between two reports of an unchanged number.
REPORT_INTERVAL_S = 5.0
#: Seconds after which a report expires: two reports in a row may be lost.
REPORT_TTL_S = 15.0
#: Other nodes that are counted in a room; reports of further ones are ignored.
MAX_NODES = 64


class _RemoteCount(NamedTuple):
    """Another node's report, and the time at which it expires."""

    online: int
    fingerprints: frozenset[bytes] | None
    until: float


class _Shared:
    """The other nodes' reports about a room."""

    def __init__(self) -> None:
        self.nodes: dict[str, _RemoteCount] = {}
        self.reported_at = 0.0


class Presence:
    """Counts the connected members of this node's rooms."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._shared: dict[Room, _Shared] = {}
        self._changed: set[Room] = set()
        """Rooms whose count may have changed for their clients."""
        self._unreported: set[Room] = set()
        """Rooms whose members on this node are to be reported to the other nodes."""
        self._requesting: set[Room] = set()

    def begin(self, room: Room) -> None:
        """Ask the other nodes for their reports, which were not received until now."""
        self._requesting.add(room)
        self._unreported.add(room)

    def end(self, room: Room) -> None:
        """Forget ``room``, and report zero members."""
        for rooms in (self._changed, self._unreported, self._requesting):
            rooms.discard(room)
        if self._shared.pop(room, None) is not None:
            self._bus.publish(PresenceReport(room.event_id, self._bus.node, 0, frozenset()))

    def touch(self, room: Room) -> None:
        """Count again: a subscription of this node has come or gone."""
        self._changed.add(room)
        self._unreported.add(room)

    def retry(self, room: Room) -> None:
        """Send the count again with the next tick: a socket could not take it."""
        self._changed.add(room)

    def on_report(self, room: Room, report: PresenceReport, now: float) -> None:
        """Apply another node's report about ``room``."""
        if report.is_request:
            self._unreported.add(room)
        nodes = self._shared.setdefault(room, _Shared()).nodes
        before = nodes.get(report.node)
        if report.online == 0:
            nodes.pop(report.node, None)
        elif before is not None or len(nodes) < MAX_NODES:
            until = now + REPORT_TTL_S
            nodes[report.node] = _RemoteCount(report.online, report.fingerprints, until)
        if (before and before[:2]) != (report.online, report.fingerprints):
            self._changed.add(room)

    def tick(self, now: float) -> set[Room]:
        """Report to the other nodes; return the rooms whose count may have changed.

        Called once a second.
        """
        for room, shared in list(self._shared.items()):
            self._age(room, shared, now)
        moved, self._unreported = self._unreported, set()
        for room in moved:
            self._report(room, now)
        changed, self._changed = self._changed, set()
        return changed

    def _age(self, room: Room, shared: _Shared, now: float) -> None:
        for node in [node for node, report in shared.nodes.items() if report.until <= now]:
            del shared.nodes[node]
            self._changed.add(room)
        if not shared.nodes:
            del self._shared[room]
        elif now - shared.reported_at >= REPORT_INTERVAL_S:
            self._unreported.add(room)

    def _report(self, room: Room, now: float) -> None:
        asks = room in self._requesting
        self._requesting.discard(room)
        here = room.members_here()
        marks = _fingerprints(room, here) if len(here) <= MAX_FINGERPRINTS else None
        self._bus.publish(PresenceReport(room.event_id, self._bus.node, len(here), marks, asks))
        if (shared := self._shared.get(room)) is not None:
            shared.reported_at = now

    def has_others(self, room: Room) -> bool:
        """Whether another node has the room, as far as reports came."""
        return room in self._shared

    def online(self, room: Room) -> int:
        """Return the number of members, not sockets, connected to any node."""
        here = room.members_here()
        shared = self._shared.get(room)
        if shared is None:
            return len(here)
        unnamed = 0
        named: set[bytes] = set()
        for report in shared.nodes.values():
            if report.fingerprints is None:
                unnamed += report.online
            else:
                named |= report.fingerprints
        if len(here) <= MAX_FINGERPRINTS:
            named |= _fingerprints(room, here)
        else:
            unnamed += len(here)
        members: int = room.document["counts"]["members"]
        return max(len(here), min(len(named) + unnamed, members))


def _fingerprints(room: Room, users: list[str]) -> frozenset[bytes]:
    """Fingerprint users: the same on every node, and different in each event.

    So fingerprints reveal no user's other events.
    """
    key = blake2b(room.event_id.encode()).digest()
    return frozenset(
        blake2b(user.encode(), digest_size=FINGERPRINT_BYTES, key=key).digest() for user in users
    )
