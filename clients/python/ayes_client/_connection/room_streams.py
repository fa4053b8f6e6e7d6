"""The rooms of one session over HTTP: a stream of Server-Sent Events for each, in turns."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, aclosing
from typing import Any
from urllib.parse import quote

import orjson

from ayes_client._connection.context import ClientContext
from ayes_client._connection.http import NotTheServer
from ayes_client._connection.http_requests import HttpRequests
from ayes_client._rooms.view import RoomView
from ayes_client._wire.error_message import from_message
from ayes_client._wire.event_stream import EventStream, EventTooLarge
from ayes_client.errors import NeedsAuth
from ayes_client.state import Json

log = logging.getLogger("ayes_client")

#: Seconds without a byte, beyond which a stream counts as dead if the server names no heartbeat.
#: Such a server sends a comment every 20 s by default.
STREAM_TIMEOUT_S = 50.0
#: Longest wait for the first bytes of a stream. Beyond, a proxy holds streams back, and snapshots
#: are fetched instead: the server sends one at once.
STREAM_START_TIMEOUT_S = 10.0
#: Seconds between two snapshots of a room without a stream.
SNAPSHOT_INTERVAL_S = 3.0
#: Streams at a time. With more rooms, they take turns: a server allows 20 connections of one user.
MAX_STREAMS = 8
#: Seconds that a room keeps its stream while others wait for one.
STREAM_TURN_S = 2.0
#: Streams of one room in a row that broke without a message. Beyond, the session ends.
MAX_BROKEN_STREAMS = 3
#: Shortest wait before a stream is opened again. A server that ends streams at once is not asked in
#: a tight loop.
MIN_RETRY_DELAY_S = 0.1

#: Errors of reading a message that is not JSON, lacks a field, or has one of another type.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError)
#: Errors of a broken connection.
BROKEN = (OSError, TimeoutError, EventTooLarge, asyncio.IncompleteReadError)


class RoomStreams:
    """Follows rooms by streams. ``start`` runs a task of the session, which ends with it."""

    def __init__(
        self,
        context: ClientContext,
        requests: HttpRequests,
        start: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._context = context
        self._requests = requests
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._streams: dict[RoomView, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(MAX_STREAMS)
        self._waiting_rooms = 0
        self._held_back = False
        """Whether streams do not get through."""
        self.silence = STREAM_TIMEOUT_S
        """Seconds without a byte of a stream, beyond which it counts as dead."""

    def subscribe(self, view: RoomView) -> None:
        """Open a stream, unless there is one."""
        if view not in self._streams:
            task = self._streams[view] = self._start(self._follow(view))
            task.add_done_callback(lambda _: self._streams.pop(view, None))

    def unsubscribe(self, view: RoomView) -> None:
        """Close the stream."""
        if (task := self._streams.get(view)) is not None:
            task.cancel()

    async def _follow(self, view: RoomView) -> None:
        """Keep a stream open for a room, until the room is left or refused."""
        broken = itertools.count(1)
        backoff = self._context.new_backoff()
        path = f"/v1/events/{quote(view.event, safe='')}"
        while self._context.rooms.views.get(view.event) is view:
            wait: float | None = None
            seq = view.seq
            try:
                if self._held_back:
                    wait = await self._fetch(view, path)
                else:
                    wait = await self._take_turn(view, f"{path}/stream")
            except BROKEN as err:
                if view.seq == seq and next(broken) >= MAX_BROKEN_STREAMS:
                    raise
                log.debug("a stream broke: %s", err)
                wait = err.retry_after if isinstance(err, NotTheServer) else None
            if view.seq != seq:
                broken = itertools.count(1)
                backoff.reset()
            if not self._held_back:
                view.connection_lost()
            if wait is None:
                wait = max(MIN_RETRY_DELAY_S, backoff.next())
            await asyncio.sleep(wait)

    async def _take_turn(self, view: RoomView, path: str) -> float | None:
        self._waiting_rooms += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting_rooms -= 1
        try:
            return await self._read_stream(view, path)
        finally:
            self._turns.release()

    async def _fetch(self, view: RoomView, path: str) -> float | None:
        """Show the present snapshot. Return the seconds to wait, if they are known."""
        used = self._requests.token
        message = await self._requests.get(path)
        if message["type"] == "error":
            return await self._on_refused_room(view, message, used)
        try:
            if not view.live or (message["epoch"], message["seq"]) != (view.epoch, view.seq):
                self._on_room_message(view, message)
        except UNREADABLE as err:
            raise OSError("a snapshot that this client cannot read") from err
        return SNAPSHOT_INTERVAL_S

    async def _read_stream(self, view: RoomView, path: str) -> float | None:
        """Read one stream to its end. Return the seconds to wait, if they are known."""
        used = self._requests.token
        headers = await self._requests.headers() | {"Accept": "text/event-stream"}
        if view.seq >= 0:
            headers["Last-Event-ID"] = f"{view.epoch}:{view.seq}"
        started = self._loop.time()
        async with AsyncExitStack() as opened:
            try:
                async with asyncio.timeout(STREAM_START_TIMEOUT_S):
                    stream = self._requests.http.stream(path, headers)
                    response, pieces = await opened.enter_async_context(stream)
            except TimeoutError:
                return self._hold_back()
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                await self._requests.http.read_whole(response, pieces)
                message = self._requests.message(response)
                if message["type"] != "error":
                    raise NotTheServer(response, "an answer that is no stream")
                return await self._on_refused_room(view, message, used)
            self._requests.observe(response)
            events, begun = EventStream(), False
            async with aclosing(_Pieces(pieces, self.silence)) as reading:
                turn_ends = self._loop.time() + STREAM_TURN_S
                while True:
                    piece = await reading.next(turn_ends - self._loop.time())
                    if piece is None:
                        if not begun and self._loop.time() - started > STREAM_START_TIMEOUT_S:
                            return self._hold_back()
                        if self._waiting_rooms:
                            return 0.0
                        turn_ends = self._loop.time() + STREAM_TURN_S
                        continue
                    if not piece:
                        return None if events.retry_ms is None else events.retry_ms / 1000
                    begun = True
                    for data in events.feed(piece):
                        try:
                            gap = self._on_room_message(view, orjson.loads(data))
                        except UNREADABLE as err:
                            log.debug("a message that this client cannot read: %s", err)
                            return None
                        if gap:
                            # A message does not fit: go on from the known position.
                            return 0.0

    def _hold_back(self) -> float:
        """Fetch snapshots from now on, at once."""
        self._held_back = True
        return 0.0

    def _on_room_message(self, view: RoomView, message: Json) -> bool:
        if message["type"] == "unsubscribed":
            self._context.rooms.remove(view.event)
        return view.apply(message)

    async def _on_refused_room(self, view: RoomView, message: Json, used: str) -> float | None:
        error = from_message(message)
        if isinstance(error, NeedsAuth):
            await self._requests.on_refused_token(error, used)
            return MIN_RETRY_DELAY_S
        if error.retry == "same" and (wait := view.retry_delay(error)) is not None:
            return wait
        self._context.rooms.remove(view.event)
        view.close(error.code, error)
        return None


class _Pieces:
    """Reads pieces of a stream with a timeout that does not end the stream."""

    def __init__(self, pieces: AsyncIterator[bytes], silence: float) -> None:
        self._pieces = pieces
        self._silence = silence
        self._reading: asyncio.Task[bytes] | None = None
        self._heard_at = asyncio.get_running_loop().time()

    async def next(self, seconds: float) -> bytes | None:
        """Return the next piece, empty at the end; ``None`` after ``seconds``.

        Raises ``TimeoutError`` if the stream is silent for too long.
        """
        loop = asyncio.get_running_loop()
        if self._reading is None:
            self._reading = asyncio.create_task(_next_or_empty(self._pieces))
        done, _ = await asyncio.wait((self._reading,), timeout=max(seconds, 0))
        if done:
            reading, self._reading = self._reading, None
            self._heard_at = loop.time()
            return reading.result()
        if loop.time() - self._heard_at > self._silence:
            raise TimeoutError("a stream is silent")
        return None

    async def aclose(self) -> None:
        """Read nothing more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)


async def _next_or_empty(pieces: AsyncIterator[bytes]) -> bytes:
    return await anext(pieces, b"")
