"""Giving commands and sending queries: the half of a client that sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from ayes_client._connection.context import ClientContext
from ayes_client._pending.batch import send_all
from ayes_client._pending.entry import Entry
from ayes_client._pending.pending_commands import PendingCommands
from ayes_client._typed.commands import TypedCommands
from ayes_client._typed.questions import TypedQuestions
from ayes_client._wire.jwt import OPAQUE
from ayes_client.command import Ack, Command, Outcome, Pending
from ayes_client.errors import AyesError
from ayes_client.state import Json
from ayes_client.user import User


class CommandGiver(TypedCommands, TypedQuestions):
    """The methods of ``Client`` for commands and queries."""

    user: User | None
    _context: ClientContext
    _pending: PendingCommands
    _task: asyncio.Task[None] | None
    _final: AyesError | None

    def _ending(self) -> AyesError:
        """Return the error that a wait ends with, now that the client has ended."""
        raise NotImplementedError

    async def send(self, command: Command) -> Ack:
        """Give a command that was made before, or of a type that this version does not know.

        Waits for its answer as ``command`` does. Raises the error that refuses it, or the one that
        ended the client.
        """
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

    async def ask(self, question: Json) -> Json:
        """Send a query of any type: ``{"type": …}``. ``query`` has those that are known.

        Returns the server's message, decoded. Raises the error that refuses the query, or the one
        that ended the client.
        """
        if self._final is not None:
            raise self._ending()
        return await self._context.queries.ask(question)

    @property
    def pending(self) -> list[Pending]:
        """The user's commands that no room shows yet, the oldest first.

        First the commands that were acked at a position that their room has not reached yet, then
        those of ``waiting``. A room that this client is not in counts as one that shows everything.
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
        """Return the future of the answer to a pending command, such as one found in the outbox.

        ``None`` if no command with this id is pending. A cancelled future does not cancel it.
        """
        entry = self._pending.queue.get(id)
        return None if entry is None else asyncio.shield(entry.future)

    async def _give(self, command: Command) -> Entry:
        if self._task is None:
            raise RuntimeError("start() the client first, or use it in async with")
        return await self._pending.give(command)
