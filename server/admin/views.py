"""A node as the admin sees it, read from memory: its rooms, its sockets, what is slow."""

from __future__ import annotations

import asyncio
import heapq
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from protocol.answers import timestamp
from server.config.version import ayes_version

if TYPE_CHECKING:
    from server.node import Node
    from server.sessions.open_sockets import OpenSocket

#: Rooms, lanes and failing tasks that the overview lists, the busiest first; the page has a screen.
MAX_LISTED: Final = 20


class Views:
    """Reads a running node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._began = time.monotonic()

    def overview(self) -> dict[str, Any]:
        """Return this node's state, and what is slow on it now.

        It is the answer to ``GET /v1/admin/node``.
        """
        node = self._node
        counts = node.lanes.counts
        return {
            "type": "admin.node",
            "node": node.bus.node,
            "version": ayes_version(),
            "time": timestamp(datetime.now(UTC)),
            "up_seconds": round(time.monotonic() - self._began),
            "draining": node.draining.has_begun,
            "bus": {
                "shared": node.settings.redis_url is not None,
                "up": node.bus.is_up,
                "why": None if node.bus.trouble is None else str(node.bus.trouble),
            },
            "sockets": len(node.sockets.all),
            "streams": len(node.streams),
            "rooms": node.rooms.count(),
            "waiting": node.lanes.waiting(),
            "acked": counts.acked,
            "refused": counts.refused,
            "undecided": counts.undecided,
            "retried": counts.retried,
            "busy": [
                {"event": event, "waiting": waiting}
                for event, waiting in node.lanes.busiest(MAX_LISTED)
            ],
            "slow": [
                {
                    "at": timestamp(datetime.fromtimestamp(each.at, UTC)),
                    "ms": round(each.seconds * 1000),
                    "events": list(each.events),
                    "commands": each.commands,
                }
                for each in reversed(node.lanes.end.slow)
            ][:MAX_LISTED],
            "failing": [
                {
                    "work": failures.name,
                    "reason": failures.trouble.kind.value,
                    "why": str(failures.trouble),
                }
                for failures in node.failures
                if failures.trouble is not None
            ],
        }

    def rooms(self, limit: int) -> list[dict[str, Any]]:
        """Return this node's rooms with a subscription, those with the most first.

        An entry is that of ``GET /v1/admin/rooms``.
        """
        watched = [room for room in self._node.rooms.by_event.values() if room.subscriptions]
        busiest = heapq.nlargest(limit, watched, key=lambda room: len(room.subscriptions))
        return [self.room(room.event_id) or {} for room in busiest]

    def room(self, event: str) -> dict[str, Any] | None:
        """Return what this node knows of an event's room, or ``None`` if it has none."""
        room = self._node.rooms.by_event.get(event)
        if room is None:
            return None
        live = [each for each in room.subscriptions if each.live]
        return {
            "event": event,
            "subject": room.document.get("event", {}).get("subject", ""),
            "seq": room.seq,
            "epoch": room.epoch,
            "subscriptions": len(room.subscriptions),
            "behind": max((room.seq - getattr(each, "seq", room.seq) for each in live), default=0),
        }

    def sockets(
        self, limit: int, *, user: str | None = None, event: str | None = None
    ) -> dict[str, Any]:
        """Return ``count``, and ``sockets`` of this node, the most unsent bytes first."""
        found = [
            socket
            for socket in self._node.sockets.all
            if (user is None or (socket.identity and socket.identity.actor.user == user))
            and (event is None or event in socket.subscriptions)
        ]
        slowest = heapq.nlargest(limit, found, key=lambda socket: socket.transport.unsent())
        return {
            "type": "admin.sockets",
            "count": len(found),
            "sockets": [_shown(socket) for socket in slowest],
        }

    def socket(self, id: str) -> OpenSocket | None:
        """Return the open socket of that id."""
        return next((each for each in self._node.sockets.all if each.id == id), None)


def _shown(socket: OpenSocket) -> dict[str, Any]:
    identity = socket.identity
    return {
        "connection": socket.id,
        "user": identity.actor.user if identity else None,
        "name": identity.actor.name if identity else None,
        "address": socket.address,
        "expires": timestamp(identity.expires) if identity else None,
        "rooms": sorted(socket.subscriptions)[:MAX_LISTED],
        "room_count": len(socket.subscriptions),
        "inflight": socket.inflight,
        "unsent_bytes": socket.transport.unsent(),
        "behind": max(
            (each.room.seq - each.seq for each in socket.subscriptions.values() if each.live),
            default=0,
        ),
        "silent_seconds": round(asyncio.get_running_loop().time() - socket.heard_at, 1),
    }
