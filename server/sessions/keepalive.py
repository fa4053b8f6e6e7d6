"""The periodic work on all sockets: heartbeats, silence, expired tokens, presence."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

import orjson

from persistence.database.periodic import Periodic
from protocol import answers
from protocol.closes import CloseCode
from server.config.settings import Settings
from server.rooms.presence import Presence
from server.sessions.open_sockets import OpenSocket
from server.sessions.phase import Phase
from server.transport.frames import frame

#: Longest time between two ticks over all sockets, and the shortest between two ``presence``
#: messages of a room. With a short heartbeat the ticks come more often: four in each.
TICK_INTERVAL_S: Final = 1.0


class Keepalive:
    """One task for all sockets of the node."""

    def __init__(
        self, settings: Settings, sockets: Collection[OpenSocket], presence: Presence
    ) -> None:
        self._settings = settings
        self._sockets = sockets
        self._presence = presence
        self._interval = min(TICK_INTERVAL_S, settings.heartbeat_ms / 4000)
        self._presence_at = 0.0
        self.task = Periodic("pulse", self._interval, self._tick)

    async def _tick(self) -> None:
        self.tick(asyncio.get_running_loop().time())

    def tick(self, now: float) -> None:
        """Do what is due at ``now``, by the loop's clock."""
        # The next tick is one interval away, and two heartbeats are at most their time apart.
        self._check_sockets(now, now + self._interval)
        if now >= self._presence_at:
            self._presence_at = now + TICK_INTERVAL_S
            self._send_presence(now)

    def _check_sockets(self, now: float, next_tick: float) -> None:
        settings = self._settings
        wall = datetime.now(UTC)
        silence = 2 * settings.heartbeat_ms / 1000
        for socket in tuple(self._sockets):
            if socket.phase in (Phase.HELLO, Phase.GREETING):
                continue  # the handshake has a deadline of its own
            if now - socket.heard_at > silence:
                socket.close(CloseCode.NO_HEARTBEAT)
            elif socket.expired_for(wall) > settings.expiry_grace_seconds:
                socket.close(CloseCode.TOKEN_EXPIRED)
            elif next_tick >= socket.beat_at:
                socket.beat_at = now + settings.heartbeat_ms / 1000
                self._heartbeat(socket, wall)

    def _heartbeat(self, socket: OpenSocket, wall: datetime) -> None:
        positions = {
            event_id: [subscription.room.epoch, subscription.room.seq]
            for event_id, subscription in socket.subscriptions.items()
            if subscription.live
        }
        socket.say(
            answers.reply("heartbeat", None, time=answers.timestamp(wall), positions=positions)
        )
        socket.transport.ping()

    def _send_presence(self, now: float) -> None:
        """Send the count of connected members to the rooms in which it changed."""
        presence = self._presence
        for room in presence.tick(now):
            online = presence.online(room)
            message = frame(
                orjson.dumps({"type": "presence", "event": room.event_id, "online": online})
            )
            for subscription in room.subscriptions:
                if not subscription.send_online(online, message):
                    presence.retry(room)
