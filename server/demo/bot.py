"""A bot: one user with a socket, as any client of the protocol would be.

It sends a command until it is answered, under one id; it folds the room's diffs into its own
state, and if it misses a step, it subscribes again from its position.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from protocol import SUBPROTOCOL, merge_patch
from server.demo.address import is_loopback
from server.demo.failure import DemoError
from server.demo.ledger import Ledger

Message: TypeAlias = dict[str, Any]

#: Seconds to wait for an answer, or for the room to show a step; then the demo fails.
BOT_ANSWER_TIMEOUT_S = 30.0
#: Times that a command is sent if the answer is to retry; then the demo fails.
MAX_TRIES = 20


class Bot:
    """A user of the server. ``on_message`` receives each message of its room, once folded."""

    def __init__(self, name: str, *, url: str, token: str, ledger: Ledger) -> None:
        self.name = name
        self.user = ""
        self.event = ""
        self.epoch = ""
        self.seq = 0
        self.state: Message = {}
        self.you: Message = {}
        self.on_message: Callable[[Message], None] = lambda message: None
        self._url = url
        self._token = token
        self._ledger = ledger
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._moved = asyncio.Condition()

    @property
    def online(self) -> bool:
        """Whether it has an open socket."""
        return self._reader is not None and not self._reader.done()

    # The socket.

    async def open(self) -> None:
        """Connect and send hello; enter the earlier room again, if there was one.

        Raises ``DemoError`` if there is no connection.
        """
        try:
            self._socket = await connect(
                self._url,
                subprotocols=[Subprotocol(SUBPROTOCOL)],
                proxy=None if is_loopback(self._url) else True,
                max_size=None,
            )
        except (OSError, TimeoutError, WebSocketException) as err:
            raise DemoError(f"no connection to {self._url}: {err}") from err
        self._reader = asyncio.create_task(self._read(self._socket), name=f"bot {self.name}")
        hello: Message = {"type": "hello", "token": self._token, "client": {"name": "ayes demo"}}
        if self.event:
            hello["resume"] = [{"event": self.event, "epoch": self.epoch, "seq": self.seq}]
        self.user = (await self._ask(hello))["user"]["id"]

    def go_deaf(self) -> None:
        """Stop reading the socket, so that further answers are lost."""
        assert self._reader is not None
        self._reader.cancel()

    async def close(self, *, abruptly: bool = False) -> None:
        """Close the socket; ``abruptly``, like a broken connection."""
        socket, self._socket = self._socket, None
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        self._give_up(f"{self.name} has left")
        if socket is not None:
            if abruptly:
                socket.transport.abort()
            with contextlib.suppress(OSError, WebSocketException):
                await socket.close()

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                await self._take(json.loads(text))
        except ConnectionClosed:
            pass
        why = socket.close_reason or "without a reason"
        self._give_up(f"{self.name}'s socket was closed with {socket.close_code}: {why}")

    def _give_up(self, why: str) -> None:
        waiting, self._answers = self._answers, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(DemoError(why))
                # The waiter may be cancelled; retrieve the exception for it.
                future.exception()

    # Requests and commands.

    async def command(self, type: str, **fields: Any) -> Message:
        """Send a command; return its ack, or the error that refuses it."""
        return await self.send(self.prepare(type, **fields))

    def prepare(self, type: str, **fields: Any) -> Message:
        """Make a command with a new id."""
        event = {"event": self.event} if self.event else {}
        return {"type": type, "id": str(uuid.uuid4()), **event, **fields}

    async def send(self, command: Message) -> Message:
        """Send a prepared command until it has a final answer.

        Raises ``DemoError`` if it is refused.
        """
        for _ in range(MAX_TRIES):
            self._ledger.sent(command)
            answer = await self._ask(command)
            self._ledger.answered(self.user, command, answer)
            if answer["type"] == "ack" or answer["retry"] != "same":
                return answer
            await asyncio.sleep(answer.get("retry_after_ms", 100) / 1000)
        raise DemoError(f"{command['type']} was answered {answer['code']} {MAX_TRIES} times")

    async def send_unheard(self, command: Message) -> None:
        """Send a prepared command without waiting for its answer."""
        self._ledger.sent(command)
        await self._write(command)

    async def subscribe(self, event: str) -> None:
        """Enter the room of ``event``, and receive its steps.

        Raises ``DemoError`` if the bot may not enter.
        """
        self.event = event
        answer = await self._ask({"type": "subscribe", "event": event})
        if answer["type"] == "error":
            raise DemoError(f"{self.name} may not enter the room: {answer['code']}")

    async def reach(self, seq: int) -> None:
        """Wait until this bot's room is at ``seq``. Raises ``DemoError`` after a time."""
        try:
            async with asyncio.timeout(BOT_ANSWER_TIMEOUT_S), self._moved:
                await self._moved.wait_for(lambda: self.seq >= seq)
        except TimeoutError:
            raise DemoError(f"{self.name} did not receive #{seq}") from None

    async def _ask(self, message: Message) -> Message:
        """Send a message, and wait for the answer with its id or ref."""
        if "id" not in message:
            message = {**message, "ref": uuid.uuid4().hex}
        key = message.get("id") or message["ref"]
        future = asyncio.get_running_loop().create_future()
        self._answers[key] = future
        try:
            await self._write(message)
            async with asyncio.timeout(BOT_ANSWER_TIMEOUT_S):
                answer: Message = await future
        except TimeoutError:
            raise DemoError(f"{message['type']} of {self.name} was never answered") from None
        finally:
            self._answers.pop(key, None)
        if answer["type"] == "error" and "ref" in answer and message["type"] == "hello":
            raise DemoError(f"the server does not take the demo's token: {answer['message']}")
        return answer

    async def _write(self, message: Message) -> None:
        if self._socket is None:
            raise DemoError(f"{self.name} has no socket")
        try:
            await self._socket.send(json.dumps(message))
        except ConnectionClosed as err:
            raise DemoError(f"{self.name}'s socket is closed: {err}") from err

    # Input.

    async def _take(self, message: Message) -> None:
        if message.get("event") == self.event:
            await self._fold(message)
        key = message.get("id") or message.get("ref")
        if (future := self._answers.get(key or "")) is not None and not future.done():
            future.set_result(message)

    async def _fold(self, message: Message) -> None:
        match message["type"]:
            case "snapshot":
                self.state, self.you = message["state"], message["you"]
                self.epoch = message["epoch"]
            case "resumed":
                merge_patch.apply(self.state, message["patch"])
                self.you = message["you"]
            case "diff" if message["from"] == self.seq:
                merge_patch.apply(self.state, message["patch"])
            case "diff":
                at = {"epoch": self.epoch, "seq": self.seq}
                await self._write({"type": "subscribe", "event": self.event, **at})
                return
            case "you":
                merge_patch.apply(self.you, message["patch"])
        async with self._moved:
            if message["type"] in ("snapshot", "resumed", "diff"):
                self.seq = message["seq"]
            self.on_message(message)
            self._moved.notify_all()
