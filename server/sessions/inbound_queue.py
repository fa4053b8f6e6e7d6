"""Inbound messages queued, in order, while an earlier one awaits I/O."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

from protocol.codec import Invalid, Message
from server.services.running_tasks import RunningTasks
from server.sessions.speaker import Speaker
from server.transport.socket_transport import SocketTransport

#: Messages handed on in one turn of the loop, some 0.5 ms of commands. The rest follows in later
#: turns: a queue has up to ``inflight`` (256) messages, and many sockets may have one at once.
MAX_MESSAGES_PER_TURN: Final = 32


class InboundQueue:
    """One session's messages that wait behind an earlier one."""

    def __init__(
        self, session: Speaker, transport: SocketTransport, running: RunningTasks, limit: int
    ) -> None:
        self._session = session
        self._transport = transport
        self._running = running
        self._limit = limit
        self._messages: deque[Message | Invalid] = deque()
        self.is_blocked = False
        """Whether messages that come in have to wait."""

    def push(self, message: Message | Invalid) -> bool:
        """Queue ``message`` behind the others; ``False`` if the queue is full."""
        if len(self._messages) >= self._limit:
            return False
        self._messages.append(message)
        return True

    def block_until(self, work: Coroutine[Any, Any, None]) -> None:
        """Queue messages that come in from now on, until ``work`` is done."""
        self.is_blocked = True
        # A command that was accepted runs to its end even if its socket is gone.
        self._running.add(asyncio.create_task(self._run(work), name="session blocked"))

    def clear(self) -> None:
        """Drop what is queued: the socket is gone."""
        self._messages.clear()

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            self._session.fail_internal()
        self.run_slice()

    def run_slice(self) -> None:
        """Hand on a turn's share of the queue, and line up for the next turn for the rest."""
        self.is_blocked = False
        try:
            for _ in range(MAX_MESSAGES_PER_TURN):
                if not self._messages or self.is_blocked or not self._session.is_open:
                    return
                self._session.dispatch(self._messages.popleft())
        except Exception:
            self._session.fail_internal()
        if self._messages and not self.is_blocked:
            self.is_blocked = True
            self._transport.defer(self)
