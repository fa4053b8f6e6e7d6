"""Over HTTP a server, or a proxy before it, misbehaves: each promise is kept, in each client."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from tests.clients.driving import OVER_HTTP, Driver, driving
from tests.clients.playing import EPOCH, EVENT, STATE, YOU
from tests.clients.scripted_http import (
    STREAM_HEAD,
    Message,
    Request,
    ScriptedServer,
    acknowledged,
    refused,
    response,
    scripted,
)
from tests.transcripts.matching import Memory

PAGE = b"<html><body>Bad gateway</body></html>"
OTHER: Message = {"type": "ack", "id": "somebody-elses", "event": EVENT, "seq": 9}
#: Milliseconds of a wait that the server asks for, and of which clients may be early.
WAIT_MS, EARLY_MS = 1_000, 20
VOTE = {"event": EVENT, "proposal": "p1", "revision": 1}


def json_of(message: Message) -> bytes:
    """The response with a whole message, as the server gives it."""
    return response(200, orjson.dumps(message))


#: What comes in place of the first answer → a function of the right one.
FAULTS: dict[str, Callable[[Message], bytes | None]] = {
    "cut": lambda right: None,
    "a page of a gateway": lambda right: response(502, PAGE, "text/html"),
    "a page of a portal": lambda right: response(200, PAGE, "text/html"),
    "a redirect": lambda right: response(302, b"", "text/html", "Location: /login"),
    "a gateway's 503": lambda right: response(503, PAGE, "text/html", "Retry-After: 1"),
    "a gateway's 429": lambda right: response(429, b"slow", "text/plain", "Retry-After: 1"),
    "no body": lambda right: response(200, b""),
    "JSON that ends early": lambda right: response(200, orjson.dumps(right)[:-9]),
    "a body that ends early": lambda right: json_of(right)[:-9],
    "null": lambda right: response(200, b"null"),
    "a list": lambda right: response(200, b"[]"),
    "JSON of another program": lambda right: response(200, b'{"ok":true}'),
    "an error of another program": lambda right: response(500, b'{"error":{"code":7}}'),
    "a type that is no text": lambda right: response(200, b'{"type":7}'),
    "an answer to something else": lambda right: json_of(OTHER),
    "a message of another kind": lambda right: json_of({"type": "presence", "online": 3}),
    "an answer that is doubled": lambda right: 2 * response(200, orjson.dumps(right), close=False),
    "another content type": lambda right: response(200, orjson.dumps(right), "text/plain"),
}
WAITS = ("a gateway's 503", "a gateway's 429")


class Once:
    """Answers as ``right`` does, but for the first time, which is the fault."""

    def __init__(self, right: Callable[[Request], Awaitable[Any]], fault: str) -> None:
        self._right = right
        self._fault = fault
        self.at: list[float] = []
        self.heard: list[Message] = []

    async def __call__(self, request: Request) -> Any:
        self.at.append(asyncio.get_running_loop().time())
        self.heard.append(request.message)
        right = await self._right(request)
        return FAULTS[self._fault](right) if len(self.at) == 1 else right

    def waited(self) -> None:
        """Check that the second request kept the wait that the first answer asked for."""
        if self._fault in WAITS:
            assert len(self.at) > 1
            assert (self.at[1] - self.at[0]) * 1000 >= WAIT_MS - EARLY_MS, self.at


class Line:
    """A client under test, and the server that it talks to."""

    def __init__(self, client: str, server: ScriptedServer, driver: Driver) -> None:
        self.client = client
        self.server = server
        self.driver = driver
        self.memory = Memory(lambda asked: "")
        self._count = itertools.count(1)

    async def told(self, **pattern: Any) -> Message:
        """The next report of this kind."""
        found: Message = await self.driver.expect({"$more": True} | pattern, self.memory)
        return found

    def start(self, **options: Any) -> None:
        """Start a client that uses HTTP alone."""
        url = self.server.url.replace("http", "ws", 1) + "/v1/socket"
        options = {"answer_timeout_ms": 1_500, "transport": "http"} | options
        self.driver.start(url, **options)

    async def votes(self) -> Message:
        """Give a vote, and return its report: an ack of its own id."""
        id = f"the-vote-{next(self._count)}"
        self.driver.order(do="command", id=id, type="vote.cast", args=VOTE)
        await self.told(told="ack", id=id, ack={"$more": True, "seq": 1})
        return {"type": "vote.cast", "id": id, **VOTE}


@asynccontextmanager
async def line_of(client: str) -> AsyncIterator[Line]:
    """A driver and a server, which have not met."""
    async with scripted() as server, driving(client) as driver:
        yield Line(client, server, driver)
        assert not driver.left(), driver.left()


async def each(line: Line, faults: Any, test: Callable[[str], Awaitable[None]]) -> None:
    """Test every fault with one client; the error names the fault."""
    for fault in faults:
        try:
            await test(fault)
        except BaseException as err:
            err.add_note(f"the fault: {fault}")
            raise


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_a_command_is_acked_once_whatever_came_in_place_of_its_answer(client: str) -> None:
    async with line_of(client) as line:
        line.start()
        await line.told(told="ready")

        async def vote(fault: str) -> None:
            line.server.on_command = answers = Once(acknowledged, fault)
            given = await line.votes()
            assert all(heard == given for heard in answers.heard), answers.heard
            answers.waited()
            # The line is whole again: nothing of the fault is left in it.
            line.server.on_command = acknowledged
            await line.votes()

        await each(line, FAULTS, vote)


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_an_answer_that_comes_late_is_that_of_the_same_command(client: str) -> None:
    heard: list[Message] = []

    async def late(request: Request) -> Message:
        heard.append(request.message)
        if len(heard) == 1:
            await asyncio.sleep(0.5)
        return await acknowledged(request)

    async with line_of(client) as line:
        line.server.on_command = late
        line.start(answer_timeout_ms=200)
        given = await line.votes()
        await line.votes()
        assert [message for message in heard if message["id"] == given["id"]].count(given) >= 1
        assert len({message["id"] for message in heard}) == 2


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_a_query_is_answered_once_whatever_came_in_place_of_its_answer(client: str) -> None:
    async with line_of(client) as line:
        line.start()
        await line.told(told="ready")
        right = line.server.on_query

        async def ask(fault: str) -> None:
            line.server.on_query = answers = Once(right, fault)
            line.driver.order(do="query", key=fault, type="events.list", args={})
            await line.told(told="reply", key=fault, reply={"$more": True, "events": []})
            answers.waited()

        # A query is answered by whatever comes with the request: HTTP names no message.
        named = ("an answer to something else", "a message of another kind")
        await each(line, [fault for fault in FAULTS if fault not in named], ask)


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_a_client_opens_whatever_came_in_place_of_its_welcome(client: str) -> None:
    async with line_of(client) as line:
        right = line.server.on_hello

        async def opened(fault: str) -> None:
            line.server.on_hello = answers = Once(right, fault)
            line.start()
            await line.told(told="ready", user="ada")
            answers.waited()
            line.driver.order(do="stop")
            await line.told(told="stopped")

        await each(line, FAULTS, opened)


# Rooms


def sse(message: Message, seq: int) -> bytes:
    """An event of a stream."""
    data = orjson.dumps(message).decode()
    return f"event: {message['type']}\nid: {EPOCH}:{seq}\ndata: {data}\n\n".encode()


def snapshot(seq: int) -> Message:
    """The room at ``seq``: as many members."""
    whole: Any = STATE
    state = whole | {"counts": whole["counts"] | {"members": seq}}
    return {"type": "snapshot", "event": EVENT, "epoch": EPOCH, "seq": seq, "reason": "initial",
            "state": state, "you": YOU}  # fmt: skip


def diff(seq: int) -> Message:
    """The step to ``seq``."""
    return {"type": "diff", "event": EVENT, "epoch": EPOCH, "from": seq - 1, "seq": seq,
            "patch": {"counts": {"members": seq}}}  # fmt: skip


def following(request: Request, seq: int) -> bytes:
    """The first event of a stream, for the position that its request names."""
    if not request.position:
        return sse(snapshot(seq), seq)
    before = int(request.position.rpartition(":")[2])
    assert 0 < before <= seq, request.position
    resumed = {"type": "resumed", "event": EVENT, "epoch": EPOCH, "from": before, "seq": seq,
               "patch": {"counts": {"members": seq}}, "you": YOU}  # fmt: skip
    return sse(resumed, seq)


#: What comes in a stream that has shown position N, before it is cut → a function of N.
STREAM_FAULTS: dict[str, Callable[[int], bytes]] = {
    "cut": lambda seq: b"",
    "an event that is cut": lambda seq: sse(diff(seq + 1), seq + 1)[:-20],
    "an event that is doubled": lambda seq: 2 * sse(diff(seq + 1), seq + 1),
    "an event that is left out": lambda seq: sse(diff(seq + 2), seq + 2),
    "events in the wrong order": lambda seq: b"".join(sse(diff(seq + n), seq + n) for n in (2, 1)),
    "no JSON": lambda seq: b"data: <html>\n\n",
    "JSON of another program": lambda seq: b'data: {"ok":true}\n\ndata: null\n\ndata: [7]\n\n',
    "a diff without its fields": lambda seq: b'data: {"type":"diff"}\n\n',
    "a snapshot without a state": lambda seq: sse(snapshot(seq + 1) | {"state": None}, seq + 1),
    "an unknown message": lambda seq: b'data: {"type":"tomorrow"}\n\n',
    "a comment that is cut": lambda seq: b": stay",
}
#: What comes in place of a stream.
NO_STREAMS = {
    "cut": b"",
    "a page of a gateway": response(502, PAGE, "text/html"),
    "a page of a portal": response(200, PAGE, "text/html"),
    "a redirect": response(302, b"", "text/html", "Location: /login"),
    "a gateway's 503": response(503, PAGE, "text/html", "Retry-After: 1"),
    "a gateway's 429": response(429, b"slow", "text/plain", "Retry-After: 1"),
    "JSON of another program": response(200, b'{"ok":true}'),
    "the server's 503": response(
        503, orjson.dumps(refused("overloaded", "same", retry_after_ms=WAIT_MS))
    ),
}


class Streams:
    """Streams of one room, each with a fault in it, then a whole one that goes on."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended
        self.seq = 1
        self.fault: bytes | None = None
        """Bytes after the beginning of the next stream; ``None``: none, and the stream stays."""
        self.instead: bytes | None = None
        """Bytes in place of the next stream."""
        self.at: list[float] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.at.append(asyncio.get_running_loop().time())
        if self.instead is not None:
            instead, self.instead = self.instead, None
            writer.write(instead)
            return
        writer.write(STREAM_HEAD + following(request, self.seq))
        if self.fault is not None:
            fault, self.fault = self.fault, None
            writer.write(fault)
            self.seq += 2
            return
        await writer.drain()
        await self._ended.wait()


async def shows(line: Line, seq: int) -> None:
    """Wait until the room is live at ``seq``."""
    pattern = {"told": "state", "event": EVENT, "seq": seq, "live": True, "$more": True,
               "state": {"$more": True, "counts": {"$more": True, "members": seq}}}  # fmt: skip
    await line.driver.look({"do": "state", "event": EVENT}, pattern, line.memory)


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_a_room_is_whole_whatever_came_in_its_stream(client: str) -> None:
    async with line_of(client) as line:
        line.server.on_stream = streams = Streams(line.server.ended)
        line.start()

        async def followed(fault: str) -> None:
            streams.fault = STREAM_FAULTS[fault](streams.seq)
            line.driver.order(do="subscribe", event=EVENT)
            await line.told(told="subscribed", event=EVENT)
            await shows(line, streams.seq)
            assert not streams.fault
            line.driver.order(do="leave", event=EVENT)
            await line.told(told="left", event=EVENT)

        await each(line, STREAM_FAULTS, followed)


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_a_room_is_entered_whatever_came_in_place_of_its_stream(client: str) -> None:
    async with line_of(client) as line:
        line.server.on_stream = streams = Streams(line.server.ended)
        line.start()

        async def entered(fault: str) -> None:
            streams.instead, streams.at = NO_STREAMS[fault], []
            line.driver.order(do="subscribe", event=EVENT)
            await line.told(told="subscribed", event=EVENT)
            await shows(line, streams.seq)
            if "Retry-After" in str(NO_STREAMS[fault]) or "retry_after" in str(NO_STREAMS[fault]):
                assert (streams.at[1] - streams.at[0]) * 1000 >= WAIT_MS - EARLY_MS
            line.driver.order(do="leave", event=EVENT)
            await line.told(told="left", event=EVENT)

        await each(line, NO_STREAMS, entered)


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_a_proxy_that_holds_streams_back_is_passed_by(client: str) -> None:
    """Snapshots are fetched instead, and commands go on; with a stream's head held back or not."""

    async def passed_by(head: bytes) -> None:
        seq = 1

        async with line_of(client) as line:

            async def hold(request: Request, writer: asyncio.StreamWriter) -> None:
                writer.write(head)
                await writer.drain()
                await line.server.ended.wait()

            async def shown(request: Request) -> Message:
                return snapshot(seq)

            line.server.on_stream, line.server.on_snapshot = hold, shown
            line.start()
            line.driver.order(do="subscribe", event=EVENT)
            await line.votes()
            await line.told(told="subscribed", event=EVENT)
            await shows(line, 1)
            seq = 2
            await shows(line, 2)

    await asyncio.gather(passed_by(b""), passed_by(STREAM_HEAD))
