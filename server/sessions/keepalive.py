"""What happens by the clock on every socket: heartbeats, silence, expired tokens, presence."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from persistence.database.periodic import Periodic
from protocol import answers
from protocol.closes import CloseCode
from server.sessions.phase import Phase
from server.sessions.session import Session
from server.transport.frames import frame

if TYPE_CHECKING:
    from server.node import Node

#: Seconds between two looks at all sockets; also the shortest time between two ``presence``.
TICK_SECONDS = 1.0


class Pulse:
    """One task for all sockets of the node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._interval = min(TICK_SECONDS, node.settings.heartbeat_ms / 4000)
        self._presence_at = 0.0
        self.task = Periodic("pulse", self._interval, self._beat)

    async def _beat(self) -> None:
        self.beat(asyncio.get_running_loop().time())

    def beat(self, now: float) -> None:
        """Do what is due at ``now``, by the loop's clock."""
        # The next look is one interval away, and a heartbeat is at most its time apart.
        self._look(now, now + self._interval)
        if now >= self._presence_at:
            self._presence_at = now + TICK_SECONDS
            self._tell_presence(now)

    def _look(self, now: float, next_look: float) -> None:
        settings = self._node.settings
        wall = datetime.now(UTC)
        silence = 2 * settings.heartbeat_ms / 1000
        for session in tuple(self._node.sessions):
            if session.phase in (Phase.HELLO, Phase.GREETING):
                continue  # who has a deadline of their own
            if now - session.heard_at > silence:
                session.close(CloseCode.NO_HEARTBEAT)
            elif session.expired_for(wall) > settings.expiry_grace_seconds:
                session.close(CloseCode.TOKEN_EXPIRED)
            elif next_look >= session.beat_at:
                session.beat_at = now + settings.heartbeat_ms / 1000
                self._heartbeat(session, wall)

    def _heartbeat(self, session: Session, wall: datetime) -> None:
        positions = {
            event_id: [subscription.room.epoch, subscription.room.seq]
            for event_id, subscription in session.subscriptions.items()
            if subscription.live
        }
        session.say(
            answers.reply("heartbeat", None, time=answers.timestamp(wall), positions=positions)
        )
        session.wire.ping()

    def _tell_presence(self, now: float) -> None:
        """Tell the rooms whose count of connected members changed, or who has not heard it."""
        presence = self._node.rooms.presence
        for room in presence.turn(now):
            online = presence.online(room)
            message = frame(
                orjson.dumps({"type": "presence", "event": room.event_id, "online": online})
            )
            for subscription in room.subscriptions:
                if not subscription.send_online(online, message):
                    presence.again(room)
