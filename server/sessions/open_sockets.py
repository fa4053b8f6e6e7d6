"""The open sockets of a node: counted, closed by a revocation, sent away when the node drains."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Hashable
from datetime import datetime
from typing import Final, Protocol

from protocol.closes import CloseCode
from server.config.settings import Settings
from server.homes.homes import Homes
from server.identity.auth import Identity
from server.limits.connections import ConnectionRegistry
from server.limits.reconnect_throttle import ReconnectThrottle
from server.rooms.subscription import Subscription
from server.services.draining import Draining
from server.services.streams import Streams
from server.sessions.phase import Phase
from server.transport.socket_transport import SocketTransport

log = logging.getLogger("ayes.sockets")

#: Sockets and streams that a drain sends away in a second, until ``DEPARTURE_SHARE`` of its time is
#: needed for all of them. A few clients need not keep a server waiting for all of it.
DEPARTURES_PER_SECOND: Final = 40
#: Part of ``AYES_DRAIN_SECONDS`` over which many clients are sent away; the rest is for the last
#: answers.
DEPARTURE_SHARE: Final = 3 / 4
#: Seconds until a socket whose last answers are not out yet is looked at again.
LAST_ANSWERS_INTERVAL_S: Final = 0.01


def departure_time(clients: int, window: float) -> float:
    """Return the seconds over which a drain of ``window`` seconds sends ``clients`` away."""
    return min(window * DEPARTURE_SHARE, clients / DEPARTURES_PER_SECOND)


class OpenSocket(Hashable, Protocol):
    """The port from the node to a session: ``server.sessions.session.Session``."""

    id: str
    address: str
    phase: Phase
    identity: Identity | None
    subscriptions: dict[str, Subscription]
    inflight: int
    heard_at: float
    beat_at: float

    @property
    def is_open(self) -> bool:
        """Whether the client was welcomed and the socket is not closed."""

    @property
    def transport(self) -> SocketTransport:
        """The transport of the socket."""

    def say(self, message: bytes) -> None:
        """Send a message."""

    def bye(self, code: CloseCode, *, retry_after_ms: int, message: str) -> None:
        """Send ``bye``, then close."""

    def close(self, code: CloseCode, reason: str = "") -> None:
        """Close with ``code``."""

    def give_way(self) -> None:
        """Close a socket whose place another one needs."""

    def is_revoked(self) -> bool:
        """Whether the socket's token was revoked."""

    def expired_for(self, now: datetime) -> float:
        """Seconds since the socket's token expired; negative while it is good."""


class OpenSockets:
    """All open sockets of the node, from the accept to the end of the connection."""

    def __init__(
        self,
        connections: ConnectionRegistry[OpenSocket],
        reconnects: ReconnectThrottle,
        draining: Draining,
        settings: Settings,
    ) -> None:
        self.connections = connections
        self.reconnects = reconnects
        self.draining = draining
        self._settings = settings
        self._none_left = asyncio.Event()
        self._none_left.set()

    @property
    def all(self) -> set[OpenSocket]:
        """The open sockets."""
        return self.connections.sessions

    def add(self, socket: OpenSocket) -> None:
        """Count a socket that was just accepted."""
        self.connections.enter(socket, time.monotonic())
        self._none_left.clear()

    def assign(self, socket: OpenSocket, identity: Identity) -> bool:
        """Count the socket as its user's; ``False`` if the user has as many as allowed."""
        if not self.connections.assign_user(socket, identity.actor.user):
            return False
        socket.identity = identity
        socket.transport.mark_identified()
        self.reconnects.record_authenticated(socket.address)
        return True

    def remove(self, socket: OpenSocket) -> None:
        """Count a socket no more."""
        self.connections.leave(socket, socket.identity.actor.user if socket.identity else None)
        if not self.all:
            self._none_left.set()

    def close_revoked(self, user: str) -> None:
        """Close those of the user's sockets whose token was revoked."""
        closed = 0
        for socket in self.connections.of(user):
            if socket.is_revoked():
                socket.close(CloseCode.REVOKED)
                closed += 1
        if closed:
            log.info("access revoked: %d sockets closed", closed)

    def close_newest(self, user: str, count: int) -> None:
        """Close the last ``count`` sockets of a user, who has too many over all nodes."""
        for socket in self.connections.newest(user, count):
            socket.close(CloseCode.TOO_MANY_CONNECTIONS)

    async def drain(self, homes: Homes, streams: Streams) -> None:
        """Send the clients away, each at a random moment within the drain.

        Commands that were accepted end and are answered first; new ones get ``draining``. Sockets
        that are open at the end of that time are cut.
        """
        self.draining.begin()
        loop = asyncio.get_running_loop()
        window = float(self._settings.drain_seconds)
        spread = departure_time(len(self.all) + len(streams), window)
        for socket in self.all:
            moment = random.uniform(0, spread)  # noqa: S311 - spreads load
            loop.call_later(moment, self._send_away, socket)
        for stream in streams:
            moment = random.uniform(0, spread)  # noqa: S311 - spreads load
            loop.call_later(moment, stream.leave)
        try:
            async with asyncio.timeout(window):
                await homes.drained()
                await asyncio.gather(self._none_left.wait(), asyncio.sleep(spread))
        except TimeoutError:
            log.warning("%d sockets are cut", len(self.all))
            for socket in tuple(self.all):
                socket.transport.abort()

    def _send_away(self, socket: OpenSocket) -> None:
        if socket.inflight and socket in self.all:
            loop = asyncio.get_running_loop()
            loop.call_later(LAST_ANSWERS_INTERVAL_S, self._send_away, socket)
            return
        socket.bye(
            CloseCode.DRAINING,
            retry_after_ms=self.draining.retry_after_ms(),
            message="the server is going away",
        )
