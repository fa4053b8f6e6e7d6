"""The client: one user on one server, over connections that come and go."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import random as random_numbers
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, overload

from ayes_client._client.rooms import RoomKeeper
from ayes_client._connection.connector import Connector, Status, Transport
from ayes_client._connection.context import ClientContext
from ayes_client._connection.tokens import Token, Tokens
from ayes_client._pending.lost import settle_lost
from ayes_client._pending.outbox import FileOutbox, Outbox
from ayes_client._pending.pending_commands import PendingCommands
from ayes_client._pending.queries import Queries
from ayes_client._rooms.callbacks import Callbacks
from ayes_client._rooms.registry import RoomRegistry
from ayes_client._rooms.room import Room, Undo
from ayes_client._wire.address import socket_url
from ayes_client._wire.backoff import FIRST_DELAY_S, MAX_DELAY_S, Backoff
from ayes_client._wire.moments import ServerClock
from ayes_client.command import Pending
from ayes_client.errors import AyesError, LineError, Stopped, Unreachable
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


class Client(RoomKeeper):
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
    ``open_timeout``: seconds after which ``async with`` raises ``Unreachable``, if no server has
    answered; ``None``: never. One warning in the log ``ayes_client`` says why there is no first
    welcome. ``backoff``: the first and the longest wait before a new connection, in seconds; waits
    are random below.
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
        self._warned = False

        def new_backoff() -> Backoff:
            return Backoff(*backoff, random)

        if isinstance(outbox, str | os.PathLike):
            outbox = FileOutbox(outbox)
        tokens = Tokens(token, self._token_arrived)
        clock = ServerClock()
        self._pending = PendingCommands(clock, outbox, new_backoff, self._changed)
        self._commands = self._pending.queue
        self._queries = Queries(self._send_body, new_backoff)
        self._rooms = RoomRegistry(new_backoff, self._changed)
        self._commands.acked = self._rooms.acked
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
        """The server's limits for one socket, from its last welcome."""
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
        """Connect, and keep connecting until ``stop`` or until the server refuses for good.

        Raises ``RuntimeError`` the second time: a client is started once.
        """
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

    # Callbacks.

    @overload
    def on(self, what: Literal["status"], callback: Callable[[Status], object]) -> Undo: ...
    @overload
    def on(self, what: Literal["transport"], callback: Callable[[Transport], object]) -> Undo: ...
    @overload
    def on(self, what: Literal["welcome", "bye"], callback: Callable[[Json], object]) -> Undo: ...
    @overload
    def on(self, what: Literal["refused"], callback: Callable[[AyesError], object]) -> Undo: ...
    @overload
    def on(self, what: Literal["pending"], callback: Callable[[Self], object]) -> Undo: ...
    def on(self, what: str, callback: Callable[[Any], object]) -> Undo:
        """Call ``callback`` whenever ``what`` happens; return a function that removes it.

        ``status``: with the new one. ``transport``: with that of the next connection, if it is
        another than before. ``welcome``, ``bye``: with the server's message. ``refused``: with an
        error that answers neither a command nor a query. ``pending``: with this client, when a
        command becomes pending, is answered, or is shown by its room.
        """
        return self._callbacks.add(what, callback)

    def _token_arrived(self) -> None:
        if (user := self._context.tokens.subject) is not None:
            self._pending.assign_owner(user)

    def _changed(self) -> None:
        self._callbacks.call("pending", self)

    def _set_status(
        self, status: Status, *, trouble: str | None = None, retry_at: float | None = None
    ) -> None:
        self.retry_at = retry_at
        if status != "connecting":
            self.trouble = trouble
        if status != "open":
            self.session = None
        if status == "waiting" and self.user is None and not self._warned:
            self._warned = True
            log.warning("%s: no welcome yet, trying again: %s", self.url, trouble)
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
            task = asyncio.create_task(settle_lost(self._commands, entry, self.ask))
            self._settling.add(task)
            task.add_done_callback(self._settling.discard)
        self._set_status("open")
        self._callbacks.call("welcome", message)
        self._ready.set()

    def _send_body(self, body: bytes) -> bool:
        return self._connector.send_body(body)
