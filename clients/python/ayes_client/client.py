"""The client: one user on one server, over connections that come and go."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import random as random_numbers
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self, TypeAlias

from ayes_client._connection.connector import Connector, Status, Transport
from ayes_client._connection.context import ClientContext
from ayes_client._connection.tokens import Token, Tokens
from ayes_client._pending.batch import send_all
from ayes_client._pending.entry import Entry
from ayes_client._pending.lost import settle_lost
from ayes_client._pending.outbox import FileOutbox, Outbox
from ayes_client._pending.pending_commands import PendingCommands
from ayes_client._pending.queries import Queries
from ayes_client._rooms.callbacks import Callback, Callbacks
from ayes_client._rooms.registry import RoomRegistry
from ayes_client._rooms.room import Room
from ayes_client._wire.address import socket_url
from ayes_client._wire.backoff import FIRST_DELAY_S, MAX_DELAY_S, Backoff
from ayes_client._wire.jwt import OPAQUE
from ayes_client._wire.moments import ServerClock
from ayes_client.command import Ack, Command, Outcome, Pending
from ayes_client.errors import AyesError, LineError, Stopped, Unreachable
from ayes_client.ids import new_id
from ayes_client.limits import Limits
from ayes_client.state import Json
from ayes_client.user import User
from ayes_client.version import VERSION

log = logging.getLogger("ayes_client")

ClientCallbackName: TypeAlias = Literal[
    "status", "transport", "welcome", "bye", "refused", "pending"
]

#: Seconds until a command without an answer on an open socket is sent again. The server decides
#: within 5 s, or says that it cannot.
ANSWER_TIMEOUT_S = 15.0


class Client:
    """A connection that comes back by itself, and commands that take effect exactly once.

        async with Client("https://ayes.example", token) as client:
            room = await client.subscribe(event)
            await room.vote(proposal)

    ``url``: the server's address, or its socket's. ``token``: a JWT, or a function, plain or async,
    that returns one. The function is called for each connection, before a token expires, and when
    the server finds it expired. ``outbox``: a path, or an ``Outbox``. Commands are kept there from
    before they are first sent until they are answered; those of an earlier run are sent first.
    ``in_flight``: commands sent and not answered at a time, if the server allows as many.
    ``answer_timeout``: seconds until an unanswered command is sent again under its own id.
    ``open_timeout``: seconds that ``async with`` waits for the server; ``None``: without end.
    ``backoff``: the first and the longest wait before a new connection; waits are random below.
    ``random`` returns a number of [0, 1) for them. ``transport``: ``websocket`` or ``http`` to use
    only that one; if left out, HTTP while no WebSocket gets through.

    A cancelled wait does not cancel its command, which may be on its way. ``adopt`` finds it again.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        name: str = "ayes-client",
        version: str = VERSION,
        outbox: str | os.PathLike[str] | Outbox | None = None,
        in_flight: int | None = None,
        answer_timeout: float = ANSWER_TIMEOUT_S,
        open_timeout: float | None = None,
        backoff: tuple[float, float] = (FIRST_DELAY_S, MAX_DELAY_S),
        transport: Transport | None = None,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        self.status: Status = "idle"
        self.user: User | None = None
        self.session: str | None = None
        """The server's name for the present connection, as its log has it."""
        self.retry_at: float | None = None
        """When the next attempt is made, in seconds since the epoch, while ``waiting``."""
        self.trouble: str | None = None
        """Why there is no connection, for people."""
        self._open_timeout = open_timeout

        def new_backoff() -> Backoff:
            return Backoff(*backoff, random)

        if isinstance(outbox, str | os.PathLike):
            outbox = FileOutbox(outbox)
        tokens = Tokens(token, self._token_arrived)
        clock = ServerClock()
        self._pending = PendingCommands(clock, outbox, new_backoff, self._changed)
        self._commands = self._pending.queue
        self._queries = Queries(self._send_body, new_backoff)
        self._rooms = RoomRegistry(new_backoff)
        self._callbacks = Callbacks("status", "transport", "welcome", "bye", "refused", "pending")
        self._context = ClientContext(
            url=socket_url(url),
            client={"name": name, "version": version},
            tokens=tokens,
            commands=self._commands,
            queries=self._queries,
            rooms=self._rooms,
            callbacks=self._callbacks,
            new_backoff=new_backoff,
            answer_timeout=answer_timeout,
            max_in_flight=in_flight,
            clock=clock,
        )
        self._connector = Connector(self._context, self._welcomed, self._set_status, transport)
        self._pending.connect(self._connector)
        self._task: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._settling: set[asyncio.Task[None]] = set()
        self._final: AyesError | None = None
        self._ready = asyncio.Event()

    @property
    def url(self) -> str:
        """The socket's address."""
        return self._context.url

    @property
    def limits(self) -> Limits:
        """What the server takes from one socket, as its last welcome said."""
        return self._context.limits

    @property
    def rooms(self) -> dict[str, Room]:
        """The rooms that the client is in, by event. For reading only."""
        return self._rooms.rooms

    @property
    def transport(self) -> Transport | None:
        """How the client reaches the server: ``websocket``, ``http``, or not at the moment."""
        return self._connector.transport if self._connector.open else None

    # Starting and stopping.

    async def __aenter__(self) -> Self:
        self.start()
        try:
            async with asyncio.timeout(self._open_timeout):
                await self.ready()
        except TimeoutError:
            await self.stop()
            raise Unreachable(f"{self.url}: {self.trouble or 'no answer'}") from None
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def start(self) -> None:
        """Connect, and keep connecting until ``stop`` or until the server refuses for good."""
        if self._task is not None or self.status == "stopped":
            raise RuntimeError("a client is started once")
        self._task = asyncio.create_task(self._run(), name="ayes client")

    async def ready(self) -> User:
        """Wait for the first welcome. Raises the error that ended the client before it."""
        await self._ready.wait()
        if self.user is None:
            raise self._ending()
        return self.user

    async def loaded(self) -> list[Pending]:
        """Wait until the outbox is read. Return the commands that were in it, the oldest first."""
        await self._pending.loaded.wait()
        return [entry.pending() for entry in self._own_entries() if entry.earlier_run]

    def now(self) -> datetime:
        """Return the time by the server's clock; by this machine's until the first welcome."""
        return datetime.fromtimestamp(self._context.clock.now(), UTC)

    async def stop(self) -> None:
        """Close. Each wait ends with ``Stopped``; the outbox keeps its commands."""
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._finish(), name="ayes client stops")
        await asyncio.shield(self._finishing)

    async def _finish(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._end(Stopped())
        await self._pending.close()

    async def _run(self) -> None:
        try:
            await self._pending.load()
            self._end(await self._connector.run())
        except AyesError as err:
            self._end(err)
        except Exception as err:
            log.exception("the client ends with a defect of its own")
            self._end(LineError(f"a defect of the client: {err}"))

    def _end(self, error: AyesError) -> None:
        """Send nothing more; each wait ends with a copy of ``error``."""
        if self._final is not None:
            return
        self._final = error
        for view in self._rooms.clear():
            view.end(self._ending())
        self._pending.end(self._ending)
        self._queries.end(self._ending)
        self._ready.set()
        trouble = self.trouble if isinstance(error, Stopped) else str(error)
        self._set_status("stopped", trouble=trouble)

    def _ending(self) -> AyesError:
        assert self._final is not None
        return copy.copy(self._final)

    # Commands and queries.

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
        return await self._queries.ask({"type": type, **(args or {})})

    @property
    def pending(self) -> list[Pending]:
        """The user's commands without an answer, the oldest first."""
        return [entry.pending() for entry in self._own_entries()]

    def waiting(self) -> list[Pending]:
        """List the user's commands without an answer, the oldest first, also of earlier runs."""
        return self.pending

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
        entry = self._commands.get(id)
        if entry is None or entry not in self._own_entries():
            return False
        return await self._pending.take_back(entry)

    def adopt(self, id: str) -> asyncio.Future[Ack] | None:
        """Return the future of a pending command's answer, such as of one found in the outbox."""
        entry = self._commands.get(id)
        return None if entry is None else asyncio.shield(entry.future)

    async def _give(self, command: Command) -> Entry:
        if self._task is None:
            raise RuntimeError("start() the client first, or use it in async with")
        return await self._pending.give(command)

    def _token_arrived(self) -> None:
        if (user := self._context.tokens.subject) is not None:
            self._pending.assign_owner(user)

    def _changed(self) -> None:
        self._callbacks.call("pending", self)

    # Rooms.

    async def subscribe(self, event: str) -> Room:
        """Enter the room of ``event``. Until it is left, the same event gives the same object.

        Raises ``NotFound``, ``NotAMember``, ``LimitReached``, ``Internal``.
        """
        if self._final is not None:
            raise self._ending()
        view = self._rooms.views.get(event)
        if view is None:
            view = self._rooms.add(event, self)
            self._connector.subscribe(view)
        room = self._rooms.rooms[event]
        await asyncio.shield(view.entered)
        return room

    async def _leave(self, room: Room) -> None:
        view = self._rooms.views.get(room.event)
        if view is not None and self._rooms.rooms[room.event] is room:
            self._rooms.remove(room.event)
            self._connector.unsubscribe(view)
            view.close("client", None)

    # Callbacks.

    def on(self, what: ClientCallbackName, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` whenever ``what`` happens; return a function that removes it.

        ``status``: with the new one. ``transport``: with that of the next connection, if it is
        another than before. ``welcome``, ``bye``: with the server's message. ``refused``: with an
        error that answers neither a command nor a query. ``pending``: with this client, when a
        command becomes pending or is answered.
        """
        return self._callbacks.add(what, callback)

    def _set_status(
        self, status: Status, *, trouble: str | None = None, retry_at: float | None = None
    ) -> None:
        self.retry_at = retry_at
        if status != "connecting":
            self.trouble = trouble
        if status != "open":
            self.session = None
        if status != self.status:
            self.status = status
            self._callbacks.call("status", status)

    def _welcomed(self, message: Json) -> None:
        self.user = User(message["user"]["id"], message["user"]["name"])
        self.session = message.get("session") or None
        self._context.tokens.welcomed(self.user.id)
        self._pending.welcomed(self.user.id, self._context.tokens.subject)
        for view in self._rooms.views.values():
            self._connector.subscribe(view)
        self._queries.send_all()
        for entry in self._commands.lost():
            task = asyncio.create_task(settle_lost(self._commands, entry, self.query))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
        self._set_status("open")
        self._callbacks.call("welcome", message)
        self._ready.set()

    def _send_body(self, body: bytes) -> bool:
        return self._connector.send_body(body)
