"""Takes commands from the user, keeps them in the outbox, and gives them to the queue."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from ayes_client._pending.command_queue import CommandQueue
from ayes_client._pending.deadline import with_deadline
from ayes_client._pending.entry import Entry
from ayes_client._pending.outbox import Outbox
from ayes_client._pending.outbox_writer import OutboxWriter
from ayes_client._wire.backoff import Backoff
from ayes_client._wire.moments import ServerClock
from ayes_client.command import Command
from ayes_client.errors import AyesError, BadRequest, NotSent, OutboxError, TakenBack
from ayes_client.ids import is_id

log = logging.getLogger("ayes_client")

#: Commands without an answer that one client holds. Beyond, the next one waits until there is room:
#: a program that gives commands faster than they are answered is slowed down.
MAX_PENDING_COMMANDS = 10_000


class Connection(Protocol):
    """The methods of the connection that pending commands use."""

    @property
    def open(self) -> bool:
        """Whether the server has welcomed this client."""

    def wake(self) -> None:
        """Look again for commands to send."""

    def owner(self) -> str | None:
        """Return the user of a command given now; ``None`` before there is a token."""


class PendingCommands:
    """The commands of one client. ``changed`` is called when one is added or answered."""

    def __init__(
        self,
        clock: ServerClock,
        outbox: Outbox | None,
        new_backoff: Callable[[], Backoff],
        changed: Callable[[], None],
    ) -> None:
        self._connection: Connection
        self._clock = clock
        self._changed = changed
        self.queue = CommandQueue(self._answered, new_backoff)
        self._outbox = None if outbox is None else OutboxWriter(outbox, self._kept, self._not_kept)
        self._end: Callable[[], AyesError] | None = None
        self.loaded = asyncio.Event()
        """Set once the outbox is read."""
        self._space = asyncio.Event()

    def connect(self, connection: Connection) -> None:
        """Use ``connection`` from now on."""
        self._connection = connection

    async def load(self) -> None:
        """Read the outbox. Raises ``OutboxError``."""
        if self._outbox is not None:
            for kept in await self._outbox.open():
                command, since, user = kept.command, kept.since, kept.user
                self.queue.add_from_outbox(command, since, user, sent=kept.sent)
        self.loaded.set()

    async def give(self, command: Command) -> Entry:
        """Take a command, and return its entry. Raises what refuses it here."""
        if not is_id(command.id):
            raise BadRequest(
                "an id has 8 to 64 of A-Z a-z 0-9 _ -", id=command.id, details={"path": "id"}
            )
        await self.loaded.wait()
        while len(self.queue) >= MAX_PENDING_COMMANDS and self._end is None:
            self._space.clear()
            await self._space.wait()
        if self._end is not None:
            error = self._end()
            error.effect = "none"
            raise error
        if command.once and not self._connection.open:
            raise NotSent(id=command.id, event=command.event)
        lifetime = None if isinstance(command.not_after, datetime) else command.not_after
        command = with_deadline(command, self._clock.now())
        count = len(self.queue)
        entry = self.queue.add(command, kept=False, lifetime=lifetime)
        if len(self.queue) > count:
            entry.lifetime = None if self._clock.known else lifetime
            entry.user = self._connection.owner()
            self._keep(entry)
            self._changed()
        return entry

    def entries_of(self, users: set[str | None]) -> list[Entry]:
        """List the entries of ``users``, and those given to this client.

        All if ``users`` is empty.
        """
        return [
            entry
            for entry in self.queue.entries()
            if not users or entry.user in users or not entry.earlier_run
        ]

    async def take_back(self, entry: Entry) -> bool:
        """End ``entry``, unless it may have an effect, and erase it in the outbox.

        If it cannot be erased, a later client may send it: it ends with ``OutboxError``.
        """
        if entry.may_have_effect:
            return False
        id = entry.command.id
        error: AyesError = OutboxError("it was taken back, and could not be erased in the outbox")
        error.effect = "unknown"
        self.queue.withdraw(entry)
        try:
            if self._outbox is None or entry.once or id not in await self._outbox.flush():
                error = TakenBack()
        finally:
            self.queue.settle(entry, error)
        return isinstance(error, TakenBack)

    def assign_owner(self, user: str) -> None:
        """Give the commands without an owner to the user of the first token."""
        for entry in self.queue.assign_owner(user):
            self._keep(entry)

    def welcomed(self, user: str, subject: str | None) -> None:
        """Continue as ``user``, who was welcomed with a token of ``subject``."""
        self.queue.set_deadlines(self._clock.now(), asyncio.get_running_loop().time())
        for entry in self.queue.claim(user, subject):
            self._keep(entry)

    def end(self, make: Callable[[], AyesError]) -> None:
        """End every command with an error. The outbox keeps what it has."""
        self._end = make

        def ending(sent: bool) -> AyesError:
            error = make()
            if sent:
                error.effect = "unknown"
            return error

        self.queue.end(ending)
        self.loaded.set()
        self._space.set()

    async def close(self) -> None:
        """Write what is left, and close the outbox."""
        if self._outbox is not None:
            await self._outbox.close()

    # A command is sent once the outbox has it; without an outbox, at once.

    def _keep(self, entry: Entry) -> None:
        entry.marked_sent = self._connection.open
        if self._outbox is None or entry.once:
            self.queue.mark_kept([entry])
            entry.kept = False
            self._connection.wake()
        elif entry.user is not None:
            # Without a user it is not kept yet: another user's client could take it for its own.
            self._outbox.put(entry)

    def _kept(self, entries: list[Entry]) -> None:
        self.queue.mark_kept(entries)
        self._connection.wake()

    def _not_kept(self, entries: list[Entry], error: OutboxError) -> None:
        log.error("%s", error)
        for entry in entries:
            self.queue.refuse(entry, copy.copy(error))

    def _answered(self, id: str) -> None:
        if self._outbox is not None:
            self._outbox.done(id)
        self._space.set()
        self._changed()
