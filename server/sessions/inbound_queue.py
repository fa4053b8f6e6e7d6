"""What a socket says while something has to be awaited first, kept in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from protocol.codec import Invalid, Message

if TYPE_CHECKING:
    from server.sessions.session import Session

#: Messages taken up in one go, some 0.5 ms of commands. There may be ``inflight`` of them (256),
#: and as many more of each socket that came at the same time.
HELD_AT_ONCE = 32


class Held:
    """One session's messages that came too early."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._messages: deque[Message | Invalid] = deque()
        self.holding = False
        """Whether what comes is to be kept."""

    def keep(self, message: Message | Invalid) -> bool:
        """Keep ``message`` behind the others; ``False`` where there are too many."""
        if len(self._messages) >= self._session.node.settings.inflight:
            return False
        self._messages.append(message)
        return True

    def until(self, work: Coroutine[Any, Any, None]) -> None:
        """Keep what comes in from now on, until ``work`` is done."""
        self.holding = True
        # The node's, not the socket's: a command that was taken runs to its end without it.
        self._session.node.keep(asyncio.create_task(self._until(work), name="session holds"))

    def clear(self) -> None:
        """Nobody is there any more to hear the answers."""
        self._messages.clear()

    async def _until(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            self._session.defect()
        self.take_turn()

    def take_turn(self) -> None:
        """Hand on some of what was kept, and wait for the next turn where there is more."""
        self.holding = False
        try:
            for _ in range(HELD_AT_ONCE):
                if not self._messages or self.holding or not self._session.is_open:
                    return
                self._session.dispatch(self._messages.popleft())
        except Exception:
            self._session.defect()
        if self._messages and not self.holding:
            self.holding = True
            self._session.wire.line_up(self)
