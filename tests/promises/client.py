"""A small honest client: it sends commands, folds each patch, and remembers everything.

``violations`` lists acts that a server must never do: a diff that does not fit, a room's message
without a subscription, two answers to one command. The fixtures check it at the end.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import uuid
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.promises.fold import fold
from tests.promises.published import error_problems

Message: TypeAlias = dict[str, Any]

#: Longest wait.
PATIENCE = 30.0

ROOM_MESSAGES = ("diff", "you", "presence")


class Gone(Exception):
    """The socket closed before the answer came."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(f"{code} {reason}")


class Room:
    """An event as this client knows it."""

    def __init__(self, client: Client, event: str) -> None:
        self.client = client
        self.event = event
        self.epoch = ""
        self.seq = -1
        self.state: Message = {}
        self.you: Message = {}
        self.open = False
        self.starts: list[Message] = []
        """Snapshots and ``resumed``, as they came."""
        self.diffs: list[Message] = []
        self.yours: list[Message] = []
        self.online: int | None = None
        self.ended: str | None = None
        """Why the last subscription ended."""

    def take(self, message: Message) -> None:
        """Fold a message of this room."""
        match message["type"]:
            case "snapshot":
                self._begin(message)
                self.state = message["state"]
            case "resumed":
                # Diffs may have come since the request: an overlap is permitted.
                if message["epoch"] != self.epoch or not (
                    message["from"] <= self.seq <= message["seq"]
                ):
                    self.client.violate(f"resumed from {message['from']}, held {self.seq}")
                self._begin(message)
                self.state = fold(self.state, message["patch"])
            case "diff":
                self._expect_open(message)
                if message["from"] != self.seq or message["seq"] <= message["from"]:
                    self.client.violate(
                        f"diff {message['from']}…{message['seq']} on a room at {self.seq}"
                    )
                if message["epoch"] != self.epoch:
                    self.client.violate("a diff of another epoch")
                self.diffs.append(message)
                self.state = fold(self.state, message["patch"])
                self.seq = message["seq"]
            case "you":
                self._expect_open(message)
                self.yours.append(message)
                self.you = fold(self.you, message["patch"])
            case "presence":
                self._expect_open(message)
                self.online = message["online"]
            case "unsubscribed":
                self.open = False
                self.ended = message["reason"]

    def _begin(self, message: Message) -> None:
        self.starts.append(message)
        self.open = True
        self.ended = None
        self.epoch, self.seq, self.you = message["epoch"], message["seq"], message["you"]

    def _expect_open(self, message: Message) -> None:
        if not self.open:
            self.client.violate(f"{message['type']} without a subscription")

    async def reached(self, seq: int) -> Room:
        """Wait until this room holds step ``seq``."""
        await self.client.until(lambda: self.seq >= seq, f"{self.event} reaching {seq}")
        return self

    async def closed(self) -> str:
        """Wait until the subscription ends; return why."""
        await self.client.until(lambda: not self.open, f"{self.event} ending")
        assert self.ended is not None
        return self.ended


class Client:
    """A client with one socket."""

    def __init__(self, connection: ClientConnection, user: str) -> None:
        self.socket = connection
        self.user = user
        self.received: list[Message] = []
        self.frames: list[Any] = []
        """Every frame in order: an object, or an array."""
        self.rooms: dict[str, Room] = {}
        self.violations: list[str] = []
        self.welcome: Message = {}
        self._answers: dict[str, deque[asyncio.Future[Message]]] = defaultdict(deque)
        self._moved = asyncio.Event()
        self._refs = itertools.count(1)
        self._reader = asyncio.create_task(self._read(), name=f"client of {user}")

    # Opening and closing

    @classmethod
    async def open(
        cls,
        url: str,
        user: str = "",
        *,
        subprotocols: Sequence[str] | None = ("ayes.v1",),
        origin: str | None = None,
        headers: dict[str, str] | None = None,
        receive_buffer: int | None = None,
        compression: str | None = None,
    ) -> Client:
        """Open a socket without sending anything.

        ``compression``: ``deflate`` offers it, as browsers do. ``receive_buffer``: bytes that the
        operating system takes for a client that does not read.
        """
        offered = None if subprotocols is None else [Subprotocol(name) for name in subprotocols]
        ready: dict[str, Any] = {}
        if receive_buffer is not None:
            # Only a buffer that is set before the connection limits the peer's window.
            ready["sock"] = plain = socket.socket()
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            plain.setblocking(False)
            parts = urlsplit(url)
            await asyncio.get_running_loop().sock_connect(plain, (parts.hostname, parts.port))
        connection = await connect(
            url,
            **ready,
            proxy=None,
            compression=compression,
            subprotocols=offered,
            origin=None if origin is None else Origin(origin),
            additional_headers=headers,
            ping_interval=None,
            close_timeout=5,
            max_size=None,
            max_queue=None,
        )
        return cls(connection, user)

    async def hello(self, token: str | None, **fields: Any) -> Message:
        """Say hello; return the ``welcome``, or the error."""
        given = {"token": token} if token is not None else {}
        ref = self.new_ref()
        self.welcome = await self.request({"type": "hello", "ref": ref} | given | fields)
        return self.welcome

    async def leave(self) -> None:
        """Close properly."""
        await self.socket.close()
        await self._reader

    async def drop(self) -> None:
        """Drop the connection without a close frame, as a lost radio link does."""
        self.socket.transport.abort()
        await self._reader

    async def gone(self) -> int:
        """Wait until the socket is closed; its close code."""
        async with asyncio.timeout(PATIENCE):
            await self.socket.wait_closed()
            await self._reader
        return self.close_code

    @property
    def close_code(self) -> int:
        """The code the socket was closed with."""
        assert self.socket.close_code is not None
        return self.socket.close_code

    # Sending

    def new_id(self) -> str:
        """An id for a command."""
        return uuid.uuid4().hex

    def new_ref(self) -> str:
        """A ref for a request."""
        return f"r{next(self._refs)}"

    async def raw(self, frame: str | bytes) -> None:
        """Send a frame unchanged."""
        await self.socket.send(frame)

    async def say(self, message: Message | list[Message]) -> None:
        """Send without waiting for an answer; raises ``Gone``."""
        try:
            await self.socket.send(json.dumps(message))
        except websockets.ConnectionClosed:
            raise Gone(self.close_code, "before it could be sent") from None

    async def post(self, type: str, *, id: str | None = None, **fields: Any) -> Posted:
        """Send a command; its answer can be awaited later."""
        command = {"type": type, "id": id or self.new_id()} | fields
        future = self.expect(command["id"])
        await self.say(command)
        return future

    async def send(self, type: str, *, id: str | None = None, **fields: Any) -> Message:
        """Send a command and wait for its answer, ack or error."""
        return await self._within(await self.post(type, id=id, **fields), type)

    async def ack(self, type: str, *, id: str | None = None, **fields: Any) -> Message:
        """Send a command that must succeed; its ack."""
        answer = await self.send(type, id=id, **fields)
        assert answer["type"] == "ack", answer
        return answer

    async def result(self, type: str, *, id: str | None = None, **fields: Any) -> Message:
        """Send a command that must succeed; return its result."""
        result: Message = (await self.ack(type, id=id, **fields))["result"]
        return result

    async def refused(
        self, code: str, type: str, /, *, id: str | None = None, **fields: Any
    ) -> Message:
        """Send a command that must be refused with ``code``; the error."""
        answer = await self.send(type, id=id, **fields)
        assert (answer["type"], answer.get("code")) == ("error", code), answer
        return answer

    async def request(self, message: Message) -> Message:
        """Send a request message or a query; return its answer, found by ``ref``."""
        message = {"ref": self.new_ref()} | message
        future = self.expect(message["ref"])
        await self.say(message)
        return await self._within(future, message["type"])

    async def ask(self, type: str, **fields: Any) -> Message:
        """Send a request that must be answered without an error."""
        answer = await self.request({"type": type} | fields)
        assert answer["type"] != "error", answer
        return answer

    async def subscribe(self, event: str, **fields: Any) -> Room:
        """Enter a room; must succeed."""
        self.room(event)
        await self.ask("subscribe", event=event, **fields)
        return self.rooms[event]

    async def resume(self, event: str) -> Room:
        """Enter a room at the known position."""
        room = self.room(event)
        return await self.subscribe(event, epoch=room.epoch, seq=room.seq)

    def room(self, event: str) -> Room:
        """The known state of a room."""
        return self.rooms.setdefault(event, Room(self, event))

    def adopt(self, room: Room) -> Room:
        """Take over the state of a room from an earlier client."""
        mine = self.room(room.event)
        mine.epoch, mine.seq = room.epoch, room.seq
        mine.state, mine.you = room.state, room.you
        return mine

    def expect(self, key: str) -> Posted:
        """A future for the next answer to ``key``, an id or a ref."""
        future: Posted = asyncio.get_running_loop().create_future()
        self._answers[key].append(future)
        if self._reader.done():
            self._fail()
        return future

    async def answered(self, future: Posted) -> Message:
        """The answer, within this client's patience."""
        return await self._within(future, "a command")

    async def _within(self, future: Posted, what: str) -> Message:
        try:
            async with asyncio.timeout(PATIENCE):
                return await future
        except TimeoutError:
            raise AssertionError(f"{self.user}: no answer to {what}") from None

    # Receiving

    async def until(self, condition: Callable[[], bool], what: str = "something") -> None:
        """Wait until ``condition`` holds; looked at after each frame."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not condition():
                    if self._reader.done():
                        raise Gone(self.close_code, f"while waiting for {what}")
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise AssertionError(f"{self.user} waited in vain for {what}") from None

    async def saw(self, type: str, count: int = 1) -> list[Message]:
        """Wait for ``count`` messages of a type; all of them."""
        await self.until(lambda: len(self.of(type)) >= count, f"{count} {type}")
        return self.of(type)

    def of(self, type: str) -> list[Message]:
        """All messages of a type so far."""
        return [message for message in self.received if message["type"] == type]

    def violate(self, what: str) -> None:
        """Record a broken promise."""
        self.violations.append(f"{self.user}: {what}")

    async def _read(self) -> None:
        try:
            async for data in self.socket:
                got = json.loads(data)
                self.frames.append(got)
                for message in got if isinstance(got, list) else [got]:
                    self._take(message)
                self._moved.set()
        except websockets.ConnectionClosed:
            pass
        self._fail()
        self._moved.set()

    def _take(self, message: Message) -> None:
        self.received.append(message)
        kind = message["type"]
        if kind == "error" and (problems := error_problems(message)):
            self.violate(f"an error that is not as published: {problems} in {message}")
        if kind in ("snapshot", "resumed", "unsubscribed", *ROOM_MESSAGES):
            if message["event"] not in self.rooms:
                if kind in ROOM_MESSAGES:
                    self.violate(f"{kind} of a room it never asked for")
                self.room(message["event"])
            self.rooms[message["event"]].take(message)
        for key in (message.get("id"), message.get("ref")):
            if key is None:
                continue
            if waiting := self._answers.get(key):
                future = waiting.popleft()
                if not future.done():
                    future.set_result(message)
            elif kind == "ack":
                self.violate(f"an ack nobody waits for: {key}")

    def _fail(self) -> None:
        for waiting in self._answers.values():
            for future in waiting:
                if not future.done():
                    future.set_exception(Gone(self.close_code, self.user))
                    # A caller may have stopped waiting.
                    future.exception()
            waiting.clear()


Posted: TypeAlias = "asyncio.Future[Message]"


async def together(*work: Awaitable[Message]) -> list[Message]:
    """Run them all at once; return the answers in the order given."""
    return list(await asyncio.gather(*work))


async def is_alive(client: Client) -> None:
    """The socket still answers."""
    assert (await client.ask("ping"))["type"] == "pong"
