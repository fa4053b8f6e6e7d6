"""Sends on one socket: messages first, then commands, no faster than the server allows."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

import orjson
from websockets.asyncio.client import ClientConnection

from ayes_client._connection.context import ClientContext
from ayes_client._wire.token_bucket import TokenBucket
from ayes_client.state import Json


class Outgoing:
    """The send queue of one socket."""

    def __init__(self, context: ClientContext) -> None:
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._messages: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._bucket = TokenBucket(1, 1, 0)
        self.closed = False
        """The server said ``bye``: the next connection sends what is left."""
        self.commands_held = False
        """Commands wait for a new token."""

    @property
    def has_messages(self) -> bool:
        """Whether messages wait to be sent. A missing answer is then no reason to repeat one."""
        return bool(self._messages)

    def wake(self) -> None:
        """Look again for something to send."""
        self._wake.set()

    def send(self, message: Json) -> None:
        """Send ``message`` on this socket; it is lost with the socket."""
        self.send_body(orjson.dumps(message))

    def send_body(self, body: bytes) -> None:
        """Send a message that is JSON already."""
        self._messages.append(body)
        self._wake.set()

    def begin(self) -> None:
        """Start counting with the limits of the welcome; ``hello`` was one message."""
        limits = self._context.limits
        self._bucket = TokenBucket(limits.commands_per_second, limits.burst, self._loop.time())
        self._bucket.spend(1)

    async def run(self, link: ClientConnection) -> None:
        """Send until cancelled."""
        limits, commands = self._context.limits, self._context.commands
        while True:
            self._wake.clear()
            now = self._loop.time()
            allowed = min(self._bucket.allowed(now), limits.batch)
            if self.closed:
                await asyncio.Event().wait()
            bodies = self._take_messages(allowed, limits.message_bytes)
            if not bodies and not self.commands_held:
                room = min(allowed, self._context.in_flight - commands.in_flight)
                entries = commands.take(now, most=room, most_bytes=limits.message_bytes)
                bodies = [entry.body for entry in entries]
            if bodies:
                self._bucket.spend(len(bodies))
                frame = bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"
                await link.send(frame, text=True)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._idle_time(now, allowed)):
                    await self._wake.wait()

    def _idle_time(self, now: float, allowed: int) -> float | None:
        """Return the seconds until something may be sent.

        ``None`` if only an event can change that.
        """
        if allowed < 1:
            return self._bucket.wait()
        commands = self._context.commands
        if self.commands_held or commands.in_flight >= self._context.in_flight:
            return None
        at = commands.next_at(now)
        return None if at is None else at - now

    def _take_messages(self, most: int, most_bytes: int) -> list[bytes]:
        """Take the waiting messages that fit one frame."""
        taken: list[bytes] = []
        size = 2
        while self._messages and len(taken) < most:
            size += len(self._messages[0]) + 1
            if taken and size > most_bytes:
                break
            taken.append(self._messages.popleft())
        return taken
