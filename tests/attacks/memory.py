"""One user who makes the server use, and keep, as much memory as possible."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.promises.running import Address, token

#: The longest texts that are allowed: two bytes a letter in memory and three in UTF-8, or four and
#: four.
LONG = "가" * 1_980
WIDE = "😀" * 1_980
#: The sockets that one user may open.
SOCKETS = 16
ROOMS = 64
#: Connections over HTTP that are opened at once.
CONNECTIONS = 40
#: Steps of a pipeline before its answers are read.
PIPELINE = 24
#: Interval between two readings of the resident memory.
SAMPLE_INTERVAL_S = 0.25
#: Longest wait for freed memory to be returned to the system.
SETTLE_TIMEOUT_S = 30.0
#: Seconds without shrinking after which the memory counts as settled: before the attack; and after
#: it, when the server has yet to drop the empty rooms and to return their memory.
QUIET_BEFORE_S = 3.0
QUIET_AFTER_S = 16.0
MIB = 1 << 20


def resident(pid: int) -> int:
    """Bytes of the resident set of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


class Socket:
    """A socket of the attacker's."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, server: Address, user: str, *, reads: bool = True) -> Socket:
        """A socket that has said hello; without ``reads`` it has the smallest buffers."""
        options: dict[str, Any] = {}
        if not reads:
            link = socket.socket()
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            link.setblocking(False)
            await asyncio.get_running_loop().sock_connect(link, ("127.0.0.1", server.port))
            options = {"sock": link, "max_queue": 1}
        connection = await connect(
            server.url,
            subprotocols=[Subprotocol("ayes.v1")],
            max_size=None,
            compression=None,
            **options,
        )
        made = cls(connection)
        await made.say({"type": "hello", "token": token(user)})
        await made.hear("welcome")
        return made

    async def say(self, message: Any) -> None:
        """Send one message, or a batch."""
        await self._connection.send(orjson.dumps(message).decode())

    async def hear(self, *types: str) -> dict[str, Any]:
        """The next message of one of these types."""
        while True:
            found = orjson.loads(await self._connection.recv())
            for message in found if isinstance(found, list) else [found]:
                if message["type"] in types:
                    return dict(message)

    async def acts(self, commands: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The acks of commands, sent a few at a time as the limits permit."""
        answers: list[dict[str, Any]] = []
        for begin in range(0, len(commands), PIPELINE):
            part = [
                {"id": uuid.uuid4().hex} | command for command in commands[begin : begin + PIPELINE]
            ]
            for command in part:
                await self.say(command)
            waiting = {command["id"] for command in part}
            while waiting:
                answer = await self.hear("ack", "error")
                # Questions have errors, too.
                if answer.get("id") in waiting:
                    waiting.discard(answer["id"])
                    answers.append(answer)
            waits = [a["retry_after_ms"] for a in answers[-len(part) :] if "retry_after_ms" in a]
            await asyncio.sleep(max(waits, default=0) / 1_000)
        return answers

    async def act(self, type: str, **fields: Any) -> dict[str, Any]:
        """The answer of one command."""
        (answer,) = await self.acts([{"type": type} | fields])
        return answer

    async def close(self) -> None:
        """Drop the connection without a close frame."""
        self._connection.transport.abort()


@dataclass
class Attacker:
    """The attacking user, and the events they made."""

    server: Address
    user: str
    ends: float
    events: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    peers: list[socket.socket] = field(default_factory=list)
    sockets: list[Socket] = field(default_factory=list)

    def count(self, what: str, times: int = 1) -> None:
        """Count one act."""
        self.done[what] = self.done.get(what, 0) + times

    @property
    def has_time(self) -> bool:
        """Whether the attack's time is not over."""
        return time.monotonic() < self.ends

    async def events_of_long_texts(self) -> None:
        """Make events as heavy as one user can, so that idle lanes keep their states."""
        sender = await Socket.open(self.server, self.user)
        self.sockets.append(sender)
        for number in itertools.count():
            if not self.has_time:
                return
            event = await self._heavy_event(sender, number)
            if event:
                self.events.append(event)

    async def _heavy_event(self, sender: Socket, number: int) -> str:
        items = [f"{LONG[:1_500]}{n}" for n in range(12)]
        by_hand = {"auto": False, "rule": "count", "threshold": 1}
        policy = dict.fromkeys(("assumption", "criterion", "conclusion"), by_hand)
        made = await sender.act(
            "event.create", subject=f"event {number}", policy=policy, assumptions=items
        )
        if made["type"] != "ack":
            await asyncio.sleep(0.1)
            return ""
        event = str(made["event"])
        await sender.act("event.start", event=event)
        proposals = [
            {
                "type": "proposal.create",
                "event": event,
                "kind": "assumption",
                "category": "create",
                "content": f"{random.choice((LONG, WIDE))}{n}",
                "reason": random.choice((LONG, WIDE)),
            }
            for n in range(50)
        ]
        answers = await sender.acts(proposals)
        self.count("proposals", sum(answer["type"] == "ack" for answer in answers))
        kept = [answer["result"]["proposal"] for answer in answers if answer["type"] == "ack"]
        comments = [
            {"type": "comment.add", "event": event, "proposal": kept[0], "content": f"{WIDE}{n}"}
            for n in range(50 if kept else 0)
        ]
        answers = await sender.acts(comments)
        self.count("comments", sum(answer["type"] == "ack" for answer in answers))
        return event

    async def one_event_on_and_on(self) -> None:
        """Make and withdraw proposals in one event, so that its lane and room remember them."""
        sender = await Socket.open(self.server, self.user)
        self.sockets.append(sender)
        made = await sender.act("event.create", subject="on and on")
        event = made["event"]
        await sender.act("event.start", event=event)
        await sender.say({"type": "subscribe", "event": event})
        while self.has_time:
            create = {"type": "proposal.create", "event": event, "kind": "criterion"}
            texts = {"category": "create", "content": WIDE, "reason": LONG}
            answers = await sender.acts([create | texts] * PIPELINE)
            gone = [
                {"type": "proposal.withdraw", "event": event, "proposal": a["result"]["proposal"]}
                for a in answers
                if a["type"] == "ack"
            ]
            await sender.acts(gone)
            self.count("withdrawn", len(gone))

    async def rooms(self) -> None:
        """Open sockets in as many heavy rooms as are allowed; some of them stop reading."""
        opened = [
            await Socket.open(self.server, self.user, reads=n % 2 == 0) for n in range(SOCKETS - 4)
        ]
        self.sockets += opened
        turns = itertools.cycle(opened)
        while self.has_time:
            if not self.events:
                await asyncio.sleep(0.1)
                continue
            reader = next(turns)
            event = random.choice(self.events[-ROOMS:])
            try:
                async with asyncio.timeout(2.0):
                    # From the first step on: the server must fold the journal, or send a snapshot.
                    await reader.say({"type": "subscribe", "event": event})
                    self.count("subscribed")
            except (TimeoutError, ConnectionClosed):
                opened.remove(reader)
                opened.append(await Socket.open(self.server, self.user, reads=False))
                self.sockets.append(opened[-1])
                turns = itertools.cycle(opened)
            await asyncio.sleep(0.02)

    async def requests(self) -> None:
        """Ask for large answers over HTTP, and never read them."""
        loop = asyncio.get_running_loop()
        while self.has_time:
            if not self.events:
                await asyncio.sleep(0.1)
                continue
            while len(self.peers) >= CONNECTIONS:
                self.peers.pop(0).close()
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            peer.setblocking(False)
            await loop.sock_connect(peer, ("127.0.0.1", self.server.port))
            self.peers.append(peer)
            event = random.choice(self.events[-ROOMS:])
            path = f"/v1/events/{event}" + random.choice(
                ("", "", "/stream", "/comments?limit=200", "/proposals?limit=200", "/journal")
            )
            head = f"GET {path} HTTP/1.1\r\nhost: ayes\r\nauthorization: Bearer {token(self.user)}"
            await loop.sock_sendall(peer, f"{head}\r\n\r\n".encode())
            self.count("requests")
            await asyncio.sleep(0.02)

    async def refusals(self) -> None:
        """Send what is refused: unknown events and codes, repeated ids, long texts."""
        sender = await Socket.open(self.server, self.user)
        self.sockets.append(sender)
        while self.has_time:
            commands: list[dict[str, Any]] = []
            for n in range(PIPELINE):
                event = random.choice(self.events) if self.events and n % 3 else uuid.uuid4().hex
                commands.append(
                    {
                        "type": "proposal.create",
                        "event": event,
                        "kind": "assumption",
                        "category": "update",
                        "target": uuid.uuid4().hex,
                        "base_version": 1,
                        "content": WIDE,
                        "reason": f"{LONG}{n}",
                    }
                )
            commands[0] = {"type": "membership.join", "code": "ABCDEF"}
            answers = await sender.acts(commands)
            self.count("refused", sum(answer["type"] == "error" for answer in answers))

    async def leave(self) -> None:
        """Drop every connection at once."""
        for peer in self.peers:
            peer.close()
        for opened in self.sockets:
            await opened.close()


PARTS: tuple[str, ...] = (
    *("events_of_long_texts", "events_of_long_texts", "one_event_on_and_on"),
    *("rooms", "requests", "refusals"),
)


@dataclass(frozen=True)
class Found:
    """The outcome of an attack, in bytes of resident memory."""

    before: int
    peak: int
    after: int
    done: dict[str, int]

    @property
    def left(self) -> int:
        """The bytes that the server kept."""
        return self.after - self.before


async def worst(
    server: Address,
    pid: int,
    seconds: float,
    *,
    user: str = "mallory",
    parts: Any = PARTS,
    enough: int = 0,
) -> Found:
    """Run every attack of one user for ``seconds``; measure what stays once the user is gone.

    The measurement ends early once no more than ``enough`` bytes have stayed.
    """
    await warm(server)
    before = peak = await settled(pid, QUIET_BEFORE_S)
    attacker = Attacker(server, user, time.monotonic() + seconds)
    work = [asyncio.create_task(_until_cut(getattr(attacker, part))) for part in parts]
    while not all(task.done() for task in work):
        peak = max(peak, resident(pid))
        await asyncio.sleep(SAMPLE_INTERVAL_S)
    await asyncio.gather(*work)
    peak = max(peak, resident(pid))
    await attacker.leave()
    after = await settled(pid, QUIET_AFTER_S, enough=before + enough if enough else 0)
    return Found(before, peak, after, attacker.done)


async def _until_cut(part: Callable[[], Awaitable[None]]) -> None:
    try:
        await part()
    except (ConnectionClosed, OSError):
        # A refused connection ends the attack, too.
        return


async def warm(server: Address) -> None:
    """Do what any server has done after a minute: one event, one vote, one of each query."""
    attacker = Attacker(server, "warm", time.monotonic() + 1.0)
    await asyncio.gather(*(_until_cut(getattr(attacker, part)) for part in PARTS[1:]))
    await attacker.leave()


async def settled(pid: int, quiet_s: float, *, enough: int = 0) -> int:
    """Return the resident memory once it has not shrunk for ``quiet_s``, or is ``enough``."""
    least, since = resident(pid), time.monotonic()
    begun = since
    while time.monotonic() - since < quiet_s and time.monotonic() - begun < SETTLE_TIMEOUT_S:
        await asyncio.sleep(SAMPLE_INTERVAL_S)
        now = resident(pid)
        if now < least - MIB:
            since = time.monotonic()
        least = min(least, now)
        if least <= enough:
            break
    return least
