"""Plays a transcript against a server, as all its clients at once."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.transcripts.matching import Json, Memory, Mismatch, TokenMaker, payload_of

#: Longest wait for a line of the server, longer than it may take to answer a command.
PATIENCE = 30.0
#: Comes by itself at any time, and need not be in a transcript.
UNASKED = frozenset({"heartbeat", "presence"})
_ROOM = frozenset({"snapshot", "resumed", "diff", "unsubscribed"})

Line = dict[str, Any]


def lines_of(path: Path) -> list[Line]:
    """The lines of a transcript."""
    return [json.loads(text) for text in path.read_text().splitlines() if text.strip()]


def stream_of(message: Json) -> tuple[str, str]:
    """The stream in which order is promised."""
    kind = message["type"]
    if kind in _ROOM:
        return "room", message["event"]
    if kind in ("you", "presence"):
        return kind, message["event"]
    if "id" in message:
        return "commands", ""
    if "ref" in message:
        return "ref", str(message["ref"])
    return kind, ""


class Socket:
    """A client's socket: the received messages that no line has matched yet, by stream."""

    def __init__(self, link: ClientConnection) -> None:
        self._link = link
        self._heard: dict[tuple[str, str], deque[Json]] = defaultdict(deque)
        self._moved = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            async for frame in self._link:
                got = json.loads(frame)
                for message in got if isinstance(got, list) else [got]:
                    self._heard[stream_of(message)].append(message)
                self._moved.set()
        except websockets.ConnectionClosed:
            pass
        self._moved.set()

    async def say(self, payload: str | bytes | Json) -> None:
        """Send a frame; a value that is neither text nor bytes is a message or a batch."""
        if not isinstance(payload, str | bytes):
            payload = json.dumps(payload)
        await self._link.send(payload)

    async def next(self, stream: tuple[str, str]) -> Json:
        """The next message of a stream."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not self._heard[stream]:
                    if self._reader.done():
                        code = self._link.close_code
                        raise Mismatch(f"closed with {code} instead of {stream}")
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise Mismatch(f"nothing came in {stream}; there is {dict(self._heard)}") from None
        return self._heard[stream].popleft()

    async def ended(self) -> int:
        """The code that the server closes with."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._reader
                await self._link.wait_closed()
        except TimeoutError:
            raise Mismatch("the server did not close") from None
        assert self._link.close_code is not None
        return self._link.close_code

    async def close(self, code: int = 1000) -> None:
        """Close properly."""
        await self._link.close(code)
        await self._reader

    def left(self) -> list[Json]:
        """Received messages that no line expects."""
        return [
            message
            for waiting in self._heard.values()
            for message in waiting
            if message["type"] not in UNASKED
        ]


class Player:
    """Plays transcripts against the server at ``url``.

    ``look`` is called with each message of the server, ``sent`` with each command.
    """

    def __init__(
        self,
        url: str,
        token: TokenMaker,
        look: Callable[[Json], None] = lambda message: None,
        sent: Callable[[Json], None] = lambda message: None,
    ) -> None:
        self._url = url
        self._look = look
        self._sent = sent
        self._memory = Memory(token)
        self._sockets: dict[str, Socket] = {}

    async def play(self, lines: list[Line]) -> None:
        """Play ``lines`` to the end; raises ``Mismatch`` with the number of the line."""
        try:
            for number, line in enumerate(lines, 1):
                if "dir" not in line:
                    continue
                try:
                    await (self._say(line) if line["dir"] == "c" else self._hear(line))
                except Mismatch as err:
                    raise Mismatch(f"line {number}: {err}") from None
            for name, socket in self._sockets.items():
                if left := socket.left():
                    raise Mismatch(f"{name} also heard {left}")
        finally:
            await asyncio.gather(*(socket.close() for socket in self._sockets.values()))

    async def _say(self, line: Line) -> None:
        name = line["socket"]
        if "open" in line or name not in self._sockets:
            self._sockets[name] = await self._open(**self._memory.fill(line.get("open", {})))
            if "open" in line:
                return
        if "close" in line:
            await self._sockets[name].close(line["close"])
            return
        payload = payload_of(line, self._memory)
        if isinstance(payload, dict) and "id" in payload:
            self._sent(payload)
        await self._sockets[name].say(payload)

    async def _hear(self, line: Line) -> None:
        socket = self._sockets[line["socket"]]
        if "close" in line:
            code = await socket.ended()
            if code != line["close"]:
                raise Mismatch(f"closed with {code} instead of {line['close']}")
            return
        pattern = line["message"]
        stream = stream_of(pattern | self._named(pattern))
        heard = await socket.next(stream)
        self._look(heard)
        try:
            self._memory.match(pattern, heard)
        except Mismatch as err:
            raise Mismatch(f"{err}\n  in {json.dumps(heard)}") from None

    def _named(self, pattern: Json) -> Json:
        """The fields of a pattern that select its stream, filled in."""
        return {
            key: self._memory.fill(pattern[key])
            for key in ("event", "ref")
            if isinstance(pattern.get(key), dict) and "$ref" in pattern[key]
        }

    async def _open(
        self,
        *,
        subprotocols: list[str] | None = None,
        origin: str | None = None,
        bearer: str | None = None,
    ) -> Socket:
        offered = ["ayes.v1"] if subprotocols is None else subprotocols
        link = await connect(
            self._url,
            proxy=None,
            subprotocols=[Subprotocol(name) for name in offered] or None,
            origin=None if origin is None else Origin(origin),
            additional_headers={} if bearer is None else {"Authorization": f"Bearer {bearer}"},
            compression=None,
            max_size=None,
        )
        return Socket(link)
