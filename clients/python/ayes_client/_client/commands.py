"""Giving commands and asking questions: the half of a client that sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from ayes_client._connection.context import ClientContext
from ayes_client._pending.batch import send_all
from ayes_client._pending.entry import Entry
from ayes_client._pending.pending_commands import PendingCommands
from ayes_client._wire.jwt import OPAQUE
from ayes_client.command import Ack, Command, Outcome, Pending
from ayes_client.errors import AyesError
from ayes_client.ids import new_id
from ayes_client.state import Json
from ayes_client.user import User


class CommandGiver:
    """What ``Client`` has for commands and questions."""

    user: User | None
    _context: ClientContext
    _pending: PendingCommands
    _task: asyncio.Task[None] | None
    _final: AyesError | None

    def _ending(self) -> AyesError:
        """Return the error that a wait ends with, now that the client has ended."""
        raise NotImplementedError

    async def command(
        self,
        type: str,
        args: Json | None = None,
        *,
        id: str | None = None,
        not_after: datetime | float | None = None,
        once: bool = False,
    ) -> Ack:
        """Do something once. Return the ack, which means that it is durable.

        ``args`` are the fields other than ``type`` and ``id``, the ``event`` among them. The same
        ``id`` with the same fields is the same command for ever; if left out, a new one is made.
        Raises the error that refuses the command.

        Past ``not_after`` the command has no effect, and ``TooLate`` is raised: a time with a zone,
        or seconds from now by the server's clock. With ``once``, no later connection sends the
        command, and no outbox keeps it: ``NotSent`` if there is no connection now.
        """
        rest = dict(args or {})
        event = rest.pop("event", None)
        command = Command(
            type=type,
            event=event,
            args=rest,
            id=new_id() if id is None else id,
            not_after=not_after,
            once=once,
        )
        entry = await self._give(command)
        return await asyncio.shield(entry.future)

    async def send_all(
        self, commands: Iterable[Command], *, in_flight: int = 256
    ) -> AsyncIterator[Outcome]:
        """Give many commands, at most ``in_flight`` at a time, and yield each outcome.

        ``commands`` may be a generator of any length. Its next command is taken only when there is
        room. A refusal is an ``Outcome`` with an error, and the others go on. Only the end of the
        client is raised.
        """
        async for outcome in send_all(self._give, commands, in_flight):
            if outcome.error is not None and self._final is not None:
                raise outcome.error
            yield outcome

    async def query(self, type: str, args: Json | None = None) -> Json:
        """Send a query, such as ``events.list``, and return its answer. Raises what refuses it."""
        if self._final is not None:
            raise self._ending()
        return await self._context.queries.ask({"type": type, **(args or {})})

    @property
    def pending(self) -> list[Pending]:
        """The user's commands that no room shows yet, the oldest first.

        Those of ``waiting``, and before them those that were acked at a position that their room,
        which this client is in, has not reached.
        """
        views = self._context.rooms.views.values()
        return [pending for view in views for pending in view.landing.values()] + self.waiting()

    def waiting(self) -> list[Pending]:
        """List the user's commands without an answer, the oldest first, also of earlier runs."""
        return [entry.pending() for entry in self._own_entries()]

    def _pending_in(self, event: str) -> list[Pending]:
        view = self._context.rooms.views.get(event)
        landing = [] if view is None else list(view.landing.values())
        entries = (entry for entry in self._own_entries() if entry.command.event == event)
        return landing + [entry.pending() for entry in entries]

    def _own_entries(self) -> list[Entry]:
        """Return the entries of the present user; of everyone, until the user is known."""
        subject = self._context.tokens.subject
        if self.user is not None:
            return self._pending.entries_of({None, subject, self.user.id})
        known = subject is not None and not subject.startswith(OPAQUE)
        return self._pending.entries_of({None, subject} if known else set())

    async def take_back(self, id: str) -> bool:
        """Take a pending command back. Return whether it surely has no effect.

        False if it may have reached the server, is not pending, or cannot be erased in the outbox.
        If true, its wait raises ``TakenBack``, and the outbox has forgotten it.
        """
        await self._pending.loaded.wait()
        entry = self._pending.queue.get(id)
        if entry is None or entry not in self._own_entries():
            return False
        return await self._pending.take_back(entry)

    def adopt(self, id: str) -> asyncio.Future[Ack] | None:
        """Return the future of a pending command's answer, such as of one found in the outbox."""
        entry = self._pending.queue.get(id)
        return None if entry is None else asyncio.shield(entry.future)

    async def _give(self, command: Command) -> Entry:
        if self._task is None:
            raise RuntimeError("start() the client first, or use it in async with")
        return await self._pending.give(command)
