"""A session over HTTP, for networks that let no WebSocket through.

Commands and queries are POST requests; each room is a stream.

It keeps the promises of ``Session``: the same ids, the same outbox, the same folded state.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

import orjson

from ayes_client._connection.context import ClientContext
from ayes_client._connection.ended import SessionEnd
from ayes_client._connection.http import NotTheServer
from ayes_client._connection.http_queries import joined, paths_of
from ayes_client._connection.http_requests import HttpRequests
from ayes_client._connection.room_streams import BROKEN, RoomStreams
from ayes_client._connection.session import (
    ANSWER_CHECK_DELAY_S,
    MAX_CLOCK_JUMP_S,
    MAX_DOUBLINGS,
    MAX_SILENT_BEATS,
    PING_TIMEOUT_S,
    UNREADABLE,
    WATCH_INTERVAL_S,
)
from ayes_client._pending.entry import Entry
from ayes_client._rooms.view import RoomView
from ayes_client._wire.address import CHECK_PATH
from ayes_client._wire.error_message import from_message
from ayes_client._wire.jwt import OPAQUE, name, subject
from ayes_client.errors import AuthExpired, AyesError, NeedsAuth, NotFound
from ayes_client.limits import Limits
from ayes_client.state import Json

log = logging.getLogger("ayes_client")

#: Requests with a command that are under way at a time, one for each event. Beyond, commands wait:
#: proxies allow few connections to one server.
MAX_PARALLEL_COMMANDS = 6

_NO_ROUTE = "this server answers this query on a WebSocket only, and none gets through"


class HttpSession:
    """One session over HTTP. Calls ``welcomed`` once the server has answered."""

    def __init__(self, context: ClientContext, welcomed: Callable[[Json], None]) -> None:
        self._context = context
        self._welcomed = welcomed
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._requests = HttpRequests(context, self.wake)
        self._streams = RoomStreams(context, self._requests, self._start)
        self._has_queries = True
        """Whether the server takes queries by POST."""
        self._opened_at: float | None = None
        self._heard_at = self._loop.time()
        """When an answer last came to a command or to a ping."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._end: asyncio.Future[SessionEnd] = self._loop.create_future()

    @property
    def open(self) -> bool:
        """Whether the server has answered."""
        return self._opened_at is not None

    def wake(self) -> None:
        """Look again for commands to send."""
        self._wake.set()

    def close(self, why: str) -> None:
        """End the session."""
        self._finish(SessionEnd(why=why))

    def send_body(self, body: bytes) -> None:
        """Send a query that is JSON already."""
        self._start(self._ask(orjson.loads(body)))

    def subscribe(self, view: RoomView) -> None:
        """Follow a room."""
        self._streams.subscribe(view)

    def unsubscribe(self, view: RoomView) -> None:
        """Follow a room no longer."""
        self._streams.unsubscribe(view)

    # From the opening to the end.

    async def run(self) -> SessionEnd:
        """Work until the server cannot be reached. Raises cancellation and defects only."""
        try:
            self._requests.token = await self._context.tokens.ask()
        except AyesError as err:
            return SessionEnd(error=err, final=True)
        except Exception as err:
            return SessionEnd(why=f"no token: {err}")
        try:
            try:
                await self._open()
            except UNREADABLE as err:
                raise OSError("a welcome that this client cannot read") from err
            if not self._end.done():
                self._start(self._send_commands())
                self._start(self._watch())
            ended = await self._end
        except AyesError as err:
            ended = self._refused(err)
        except BROKEN as err:
            ended = _broken(err)
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._requests.http.close()
        if self._opened_at is not None:
            ended.lived = self._loop.time() - self._opened_at
        return ended

    async def _open(self) -> None:
        """Greet the server. One without ``/v1/queries`` is asked for the user's events instead."""
        answer = await self._requests.post("/v1/queries", orjson.dumps(self._hello()))
        if answer["type"] != "welcome" and answer.get("code") in ("not_found", "bad_request"):
            self._has_queries = False
            answer = await self._requests.get("/v1/events?limit=1")
            if answer["type"] != "error":
                answer = self._welcome_of_token()
        if answer["type"] != "welcome":
            raise from_message(answer)
        if "limits" in answer:
            self._streams.silence = MAX_SILENT_BEATS * answer["heartbeat_ms"] / 1000
            self._context.limits = Limits.from_welcome(answer)
            self._context.clock.start(answer["time"])
        self._opened_at = self._loop.time()
        self._welcomed(answer)

    def _hello(self) -> Json:
        return {"type": "hello", "token": "", "client": self._context.client}

    def _welcome_of_token(self) -> Json:
        user = subject(self._requests.token)
        if user.startswith(OPAQUE):
            raise OSError("over HTTP the token must name its user")
        return {"type": "welcome", "user": {"id": user, "name": name(self._requests.token) or user}}

    def _refused(self, error: AyesError) -> SessionEnd:
        """Return the end of a session whose first request was refused."""
        if isinstance(error, NeedsAuth):
            # Another token may help if this one has expired. A bad one is bad for good.
            renewable = isinstance(error, AuthExpired) and self._context.tokens.renewable
            return SessionEnd(error=error, final=not renewable)
        if isinstance(error, NotFound):
            return SessionEnd(why=f"no server answers there: {error.message}; {CHECK_PATH}")
        wait = error.retry_after_ms
        return SessionEnd(error=error, retry_after=None if wait is None else wait / 1000)

    def _finish(self, ended: SessionEnd) -> None:
        if not self._end.done():
            self._end.set_result(ended)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guard(work), name="ayes http")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except BROKEN as err:
            self._finish(_broken(err))
        except AyesError as err:
            self._finish(SessionEnd(error=err, final=True))
        except Exception as err:
            log.exception("a defect of this client")
            self.close(f"a defect of the client: {err}")

    # Commands.

    async def _send_commands(self) -> None:
        commands, limits = self._context.commands, self._context.limits
        while True:
            self._wake.clear()
            now = self._loop.time()
            room = min(MAX_PARALLEL_COMMANDS, self._context.in_flight) - commands.in_flight
            if held := self._requests.renewing:
                room = 0
            for entry in commands.take(
                now, most=room, most_bytes=limits.message_bytes, one_per_event=True
            ):
                self._start(self._send_command(entry))
            full = commands.in_flight >= min(MAX_PARALLEL_COMMANDS, self._context.in_flight)
            at = None if full or held else commands.next_at(now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if at is None else max(at - now, 0)):
                    await self._wake.wait()

    async def _send_command(self, entry: Entry) -> None:
        used = self._requests.token
        message = await self._requests.command(entry.body, entry.command.id, fresh=entry.once)
        self._heard_at = self._loop.time()
        commands = self._context.commands
        if message["type"] == "ack":
            commands.on_ack(message)
        elif (error := commands.on_error(message, self._loop.time())) is not None:
            await self._requests.on_refused_token(error, used)
        self.wake()

    # Queries.

    async def _ask(self, query: Json) -> None:
        ref, queries = query["ref"], self._context.queries
        used = self._requests.token
        paths = paths_of(query)
        if self._has_queries:
            answers = [await self._requests.post("/v1/queries", orjson.dumps(query), ref=ref)]
        elif paths is None:
            refusal = {"code": "unreachable", "retry": "no", "message": _NO_ROUTE}
            queries.on_error({"ref": ref, **refusal}, lambda: None)
            return
        else:
            answers = [await self._requests.get(path) for path in paths]
        for answer in answers:
            if answer["type"] == "error":
                expired = isinstance(error := from_message(answer), NeedsAuth)
                queries.on_error({**answer, "ref": ref}, lambda: None)
                if expired:
                    await self._requests.on_refused_token(error, used)
                return
        queries.on_answer({**joined(answers), "ref": ref})

    # The watch.

    async def _watch(self) -> None:
        """End the session if the server is out of reach while no request would fail by that."""
        while True:
            wall, monotonic = time.time(), self._loop.time()
            await asyncio.sleep(WATCH_INTERVAL_S)
            now = self._loop.time()
            if abs(time.time() - wall - (now - monotonic)) > MAX_CLOCK_JUMP_S:
                # The machine slept, or the clock was set: the connections may be dead, and a
                # stream shows it after some heartbeats only.
                self._finish(SessionEnd(why="the clock has jumped", retry_after=0.0))
                return
            if self._has_queries and self._is_answer_missing(now):
                await self._ping()

    def _is_answer_missing(self, now: float) -> bool:
        """Return whether something waits for an answer, and none has come for a while."""
        waits = (self._context.commands.waits_since(), self._context.queries.waits_since())
        since = min((moment for moment in waits if moment is not None), default=now)
        return now - max(since, self._heard_at) > ANSWER_CHECK_DELAY_S

    async def _ping(self) -> None:
        """Ask for a sign of life, on a connection of its own. Raises ``OSError`` if none comes."""
        context = self._context
        try:
            async with asyncio.timeout(
                PING_TIMEOUT_S * 2 ** min(context.dead_pings, MAX_DOUBLINGS)
            ):
                await self._requests.ping()
        except TimeoutError as err:
            context.dead_pings += 1
            raise OSError("a ping had no answer") from err
        context.dead_pings = 0
        self._heard_at = self._loop.time()


def _broken(error: Exception) -> SessionEnd:
    """Return the end of a session whose connection has failed."""
    wait = error.retry_after if isinstance(error, NotTheServer) else None
    return SessionEnd(why=str(error) or "no answer in time", retry_after=wait)
