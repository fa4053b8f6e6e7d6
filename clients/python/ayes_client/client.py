"""The client: one socket to one server as one user, kept for as long as it is wanted."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Literal, NamedTuple, Self, TypeAlias

from ayes_client._connection.parts import Parts
from ayes_client._connection.session import Session
from ayes_client._connection.tokens import Token, Tokens
from ayes_client._pending.batch import send_all
from ayes_client._pending.flight import Entry, Flight
from ayes_client._pending.keeper import Keeper
from ayes_client._pending.outbox import FileOutbox, Outbox
from ayes_client._pending.questions import Questions
from ayes_client._rooms.callbacks import Callback, Callbacks
from ayes_client._rooms.room import Room
from ayes_client._wire.address import socket_url
from ayes_client._wire.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff
from ayes_client.command import Ack, Command, Outcome, Pending
from ayes_client.errors import AyesError, BadRequest, LineError, OutboxError, Stopped, Unreachable
from ayes_client.ids import is_id, new_id
from ayes_client.limits import Limits
from ayes_client.state import Json
from ayes_client.version import VERSION

log = logging.getLogger("ayes_client")

Status: TypeAlias = Literal["idle", "connecting", "open", "waiting", "stopped"]
Told: TypeAlias = Literal["status", "welcome", "bye", "refused", "pending"]

#: Commands without an answer that one client holds; the next one waits until there is room.
MOST_PENDING = 10_000
#: Seconds until a command that is not answered on an open socket is sent again: the server decides
#: within 5 s or says that it cannot.
ANSWER_SECONDS = 15.0
#: Seconds that a socket has to hold for the next lost one to be met with a short wait again.
STEADY_SECONDS = 5.0


class User(NamedTuple):
    """Who one is, as the token says."""

    id: str
    name: str


class Client:
    """A connection that comes back by itself, and commands that are done exactly once.

        async with Client("https://ayes.example", token) as client:
            room = await client.subscribe(event)
            await room.vote(proposal)

    ``url``: the server's address, or its socket's. ``token``: a JWT, or a function, plain or
    async, that gives one; it is asked for each connection, before a token expires, and when the
    server says that it has. ``outbox``: a path, or an ``Outbox``; commands are kept there from
    before they are first sent until they are answered, and those of an earlier run are sent first.
    ``in_flight``: commands sent and not answered at a time, where the server allows as many.
    ``answer_timeout``: seconds until an unanswered command is sent again under its own id.
    ``open_timeout``: seconds that ``async with`` waits for the server; ``None``: for ever.
    ``backoff``: the first and the longest wait before a new connection; waits are random below.

    Cancelling a wait does not cancel a command: it may be on its way. ``adopt`` finds it again.
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
        answer_timeout: float = ANSWER_SECONDS,
        open_timeout: float | None = None,
        backoff: tuple[float, float] = (FIRST_SECONDS, LONGEST_SECONDS),
        chance: Callable[[], float] = random.random,
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
            return Backoff(*backoff, chance)

        self._parts = Parts(
            url=socket_url(url),
            client={"name": name, "version": version},
            tokens=Tokens(token, self._token_arrived),
            flight=Flight(self._answered, new_backoff),
            questions=Questions(self._say_body, new_backoff),
            callbacks=Callbacks("status", "welcome", "bye", "refused", "pending"),
            new_backoff=new_backoff,
            answer_timeout=answer_timeout,
            most_in_flight=in_flight,
        )
        self._flight = self._parts.flight
        self._questions = self._parts.questions
        self._callbacks = self._parts.callbacks
        self._keeper: Keeper | None = None
        if isinstance(outbox, str | os.PathLike):
            outbox = FileOutbox(outbox)
        if outbox is not None:
            self._keeper = Keeper(outbox, self._kept, self._not_kept)
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None
        self._finishing: asyncio.Task[None] | None = None
        self._final: AyesError | None = None
        self._ready = asyncio.Event()
        self._loaded = asyncio.Event()
        self._space = asyncio.Event()

    @property
    def url(self) -> str:
        """The socket's address."""
        return self._parts.url

    @property
    def limits(self) -> Limits:
        """What the server takes from one socket, as its last welcome said."""
        return self._parts.limits

    @property
    def rooms(self) -> dict[str, Room]:
        """The rooms that one is in, by event; to be looked at."""
        return self._parts.rooms

    # Life.

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
        """Connect, and go on connecting until ``stop`` or until the server refuses for good."""
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
        """Wait until the outbox was read; the commands that were in it, the oldest first."""
        await self._loaded.wait()
        return [pending for pending in self._flight.pending() if pending.sent]

    async def stop(self) -> None:
        """Close. Whatever still waits ends with ``Stopped``; the outbox keeps its commands."""
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._finish(), name="ayes client stops")
        await asyncio.shield(self._finishing)

    async def _finish(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._end(Stopped())
        if self._keeper is not None:
            await self._keeper.close()

    async def _run(self) -> None:
        try:
            if self._keeper is not None:
                for kept in await self._keeper.open():
                    self._flight.add_kept(kept.command, kept.since, kept.user)
            self._loaded.set()
            self._end(await self._connect_until_refused())
        except AyesError as err:
            self._end(err)
        except Exception as err:
            log.exception("the client ends with a defect of its own")
            self._end(LineError(f"a defect of the client: {err}"))

    async def _connect_until_refused(self) -> AyesError:
        backoff = self._parts.new_backoff()
        while True:
            self._be("connecting")
            self._session = session = Session(self._parts, self._welcomed)
            ended = await session.run()
            self._session = None
            self.session = None
            self._flight.lost()
            self._questions.lost()
            for room in self.rooms.values():
                room._lost()
            if ended.final:
                return ended.error or LineError(ended.why)
            self.trouble = str(ended.error) if ended.error is not None else ended.why
            if ended.lived >= STEADY_SECONDS:
                backoff.reset()
            wait = backoff.next() if ended.retry_after is None else ended.retry_after
            self.retry_at = time.time() + wait
            self._be("waiting")
            await asyncio.sleep(wait)
            self.retry_at = None

    def _end(self, error: AyesError) -> None:
        """Nothing more is sent; everything that waits gets ``error``, or one like it."""
        if self._final is not None:
            return
        self._final = error
        if not isinstance(error, Stopped):
            self.trouble = str(error)
        for room in list(self.rooms.values()):
            room._end(self._ending())
        self.rooms.clear()
        self._flight.end(self._ending_of)
        self._questions.end(self._ending)
        self._loaded.set()
        self._ready.set()
        self._space.set()
        self._be("stopped")

    def _ending(self) -> AyesError:
        assert self._final is not None
        return copy.copy(self._final)

    def _ending_of(self, sent: bool) -> AyesError:
        error = self._ending()
        if sent:
            error.effect = "unknown"
        return error

    # Commands and questions.

    async def command(self, type: str, args: Json | None = None, *, id: str | None = None) -> Ack:
        """Do something once. The ack, which means that it is durable; raises what refuses it.

        ``args`` are the fields beside ``type`` and ``id``, the ``event`` among them. ``id`` is made
        up unless given; the same one, with the same fields, is the same command for ever.
        """
        rest = dict(args or {})
        event = rest.pop("event", None)
        command = Command(type=type, event=event, args=rest, id=new_id() if id is None else id)
        entry = await self._give(command)
        return await asyncio.shield(entry.future)

    async def send_all(
        self, commands: Iterable[Command], *, in_flight: int = 256
    ) -> AsyncIterator[Outcome]:
        """Do many things, at most ``in_flight`` at a time, and tell of each as it is answered.

        ``commands`` may be a generator of any length: it is asked for the next one only when there
        is room, and nothing is asked for while nobody takes what has come. A refusal is an
        ``Outcome`` with an error, and the others go on; only the end of the client is raised.
        """
        async for outcome in send_all(self._give, commands, in_flight):
            if outcome.error is not None and self._final is not None:
                raise outcome.error
            yield outcome

    async def query(self, type: str, args: Json | None = None) -> Json:
        """Ask a question, such as ``events.list``; its answer. Raises what refuses it."""
        if self._final is not None:
            raise self._ending()
        return await self._questions.ask({"type": type, **(args or {})})

    @property
    def pending(self) -> list[Pending]:
        """The commands without an answer, the oldest first."""
        return self._flight.pending()

    def adopt(self, id: str) -> asyncio.Future[Ack] | None:
        """What settles with the answer to a pending command, such as one found in the outbox."""
        future = self._flight.future(id)
        return None if future is None else asyncio.shield(future)

    async def _give(self, command: Command) -> Entry:
        if not is_id(command.id):
            raise BadRequest(
                "an id has 8 to 64 of A-Z a-z 0-9 _ -", id=command.id, details={"path": "id"}
            )
        if self._task is None:
            raise RuntimeError("start() the client first, or use it in async with")
        await self._loaded.wait()
        while len(self._flight) >= MOST_PENDING and self._final is None:
            self._space.clear()
            await self._space.wait()
        if self._final is not None:
            raise self._ending_of(False)
        count = len(self._flight)
        entry = self._flight.add(command, kept=False)
        if len(self._flight) > count:
            entry.user = self._parts.tokens.owner(connected=self.session is not None)
            self._keep(entry)
            self._callbacks.tell("pending", self)
        return entry

    def _token_arrived(self) -> None:
        """Commands given before the first token are that token's user's."""
        if (user := self._parts.tokens.subject) is not None:
            for entry in self._flight.own(user):
                self._keep(entry)

    # Rooms.

    async def subscribe(self, event: str) -> Room:
        """Enter the room of ``event``, until ``leave``; the same object for the same event.

        Raises ``NotFound``, ``NotAMember``, ``LimitReached``, ``Internal``.
        """
        if self._final is not None:
            raise self._ending()
        room = self.rooms.get(event)
        if room is None:
            room = self.rooms[event] = Room(self, event, self._parts.new_backoff())
            if self._session is not None and self._session.open:
                self._session.rooms.ask(room)
        await asyncio.shield(room._entered)
        return room

    async def _leave(self, room: Room) -> None:
        if self.rooms.get(room.event) is room:
            del self.rooms[room.event]
            if self._session is not None and self._session.open:
                self._session.rooms.leave(room)
        room._close("client", None)

    # What happens.

    def on(self, what: Told, callback: Callback) -> Callable[[], None]:
        """Call ``callback`` when ``what`` happens; returns what ends that.

        ``status``: with the new one. ``welcome``, ``bye``: with the server's message. ``refused``:
        with an error that answers nothing one gave. ``pending``: with this client, when a command
        comes to wait or has its answer.
        """
        return self._callbacks.add(what, callback)

    def _be(self, status: Status) -> None:
        if status != self.status:
            self.status = status
            self._callbacks.tell("status", status)

    def _welcomed(self, message: Json) -> None:
        self.user = User(message["user"]["id"], message["user"]["name"])
        self.session = message["session"]
        self._parts.tokens.welcomed(self.user.id)
        self.trouble = None
        for entry in self._flight.claim(self.user.id, self._parts.tokens.subject):
            self._keep(entry)
        assert self._session is not None
        for room in self.rooms.values():
            self._session.rooms.ask(room)
        self._questions.again()
        self._be("open")
        self._callbacks.tell("welcome", message)
        self._ready.set()

    def _say_body(self, body: bytes) -> bool:
        if self._session is None or not self._session.open:
            return False
        self._session.say_body(body)
        return True

    def _wake(self) -> None:
        if self._session is not None:
            self._session.wake()

    def _keep(self, entry: Entry) -> None:
        """Let ``entry`` be sent, once it is in the outbox, where there is one.

        Without an owner it is not kept yet: another client of the outbox could take it for its own.
        """
        if self._keeper is None:
            self._kept([entry])
        elif entry.user is not None:
            self._keeper.put(entry)

    def _kept(self, entries: list[Entry]) -> None:
        self._flight.keep(entries)
        self._wake()

    def _not_kept(self, entries: list[Entry], error: OutboxError) -> None:
        log.error("%s", error)
        for entry in entries:
            self._flight.refuse(entry, copy.copy(error))

    def _answered(self, id: str) -> None:
        if self._keeper is not None:
            self._keeper.done(id)
        self._space.set()
        self._callbacks.tell("pending", self)
