"""Plays a scenario: the server's part to a client, the user's part to its driver."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from tests.clients.driving import Driver
from tests.clients.misbehaving import Heard, Misbehaving, Socket
from tests.transcripts.matching import Memory, Mismatch

Json: TypeAlias = Any
Line: TypeAlias = dict[str, Json]

EVENT = "0190a4d2-9f0e-5c5e-9d0a-617965732e31"
EPOCH = "1f0c9a52b7d34e68"
#: Clocks differ, and a timer may fire a little early.
EARLY_MS = 15
TIME = "2026-11-23T08:00:00.000Z"
LIMITS = {
    "message_bytes": 65536,
    "batch": 256,
    "inflight": 256,
    "subscriptions": 64,
    "commands_per_second": 200,
    "burst": 1000,
}
WELCOME = {
    "type": "welcome",
    "session": "9c1b2f6a7d3e4c58",
    "user": {"id": "ada", "name": "Ada"},
    "time": TIME,
    "heartbeat_ms": 20_000,
    "server": {"version": "0.1.0", "protocol": "1.0"},
}
STATE = {
    "event": {
        "id": EVENT,
        "subject": "Where do we eat?",
        "status": "in_progress",
        "entrance_code": "A1B2C3",
        "max_members": 100,
        "policy": {
            "assumption": {"auto": True, "rule": "count", "threshold": 3},
            "criterion": {"auto": True, "rule": "count", "threshold": 3},
            "conclusion": {"auto": True, "rule": "percent", "threshold": 60},
            "membership_auto": False,
        },
        "policy_version": 1,
        "criteria_rev": 0,
        "created_at": TIME,
    },
    "options": {},
    "assumptions": {},
    "criteria": {},
    "proposals": {
        "p1": {
            "kind": "assumption",
            "category": "create",
            "content": "We have an hour",
            "author": "ada",
            "status": "pending",
            "agree": 0,
            "revision": 1,
            "stale": False,
            "created_at": TIME,
        }
    },
    "comments": {},
    "members": {"ada": {"name": "Ada", "role": "member"}},
    "counts": {"members": 1, "ballots": 0, "proposals": 1, "comments": 0},
}
YOU = {"membership": {"status": "accepted", "role": "member"}, "votes": {}, "stances": {}}
#: Fields that a line may leave out of a server's message.
FILLED: dict[str, Line] = {
    "ack": {
        "event": EVENT,
        "hash": "0" * 64,
        "applied": True,
        "replayed": False,
        "result": {"agree": 1, "eligible": 1, "status": "pending"},
    },
    "error": {"message": "…", "effect": "none", "details": {}},
    "snapshot": {"event": EVENT, "epoch": EPOCH, "reason": "initial", "state": STATE, "you": YOU},
    "resumed": {"event": EVENT, "epoch": EPOCH, "you": YOU},
    "diff": {"event": EVENT, "epoch": EPOCH},
    "you": {"event": EVENT},
    "presence": {"event": EVENT},
    "unsubscribed": {"event": EVENT},
    "heartbeat": {"time": TIME, "positions": {}},
    "bye": {"code": 4001, "message": "the server is going away"},
    "authenticated": {"expires": "2099-01-01T00:00:00.000Z"},
}
#: The commands of the scenarios, by the first word of their ids.
COMMANDS: dict[str, Line] = {
    "vote": {"type": "vote.cast", "args": {"event": EVENT, "proposal": "p1", "revision": 1}},
    "retract": {"type": "vote.retract", "args": {"event": EVENT, "proposal": "p1"}},
    "comment": {
        "type": "comment.add",
        "args": {"event": EVENT, "proposal": "p1", "content": "Near"},
    },
    "propose": {
        "type": "proposal.create",
        "args": {"event": EVENT, "kind": "assumption", "category": "create", "content": "Dry"},
    },
    "start": {"type": "event.start", "args": {"event": EVENT}},
    "create": {"type": "event.create", "args": {"subject": "Where do we eat?"}},
}


def scenarios(folder: Path) -> Iterator[tuple[str, list[Line]]]:
    """Every scenario below ``folder``: its name, and its lines."""
    for path in sorted(folder.glob("*.jsonl")):
        lines: list[Line] = []
        name = ""
        for number, text in enumerate(path.read_text().splitlines(), 1):
            if not text.strip():
                continue
            line = json.loads(text) | {"#": f"{path.name}:{number}"}
            if "scenario" in line:
                if lines:
                    yield name, lines
                name, lines = f"{path.stem}-{line['scenario']}", []
            lines.append(line)
        yield name, lines


class Player:
    """A run of a scenario."""

    def __init__(self, driver: Driver, server: Misbehaving, outbox: Path) -> None:
        self._driver = driver
        self._server = server
        self._outbox = outbox
        self._memory = Memory(lambda asked: str(asked["$token"]))
        self._socket: Socket | None = None
        self._at = time.monotonic()

    async def play(self, lines: list[Line]) -> None:
        """Play to the end; raises ``Mismatch`` with the place of the line."""
        for line in lines:
            try:
                await self._line(line)
            except Mismatch as err:
                raise Mismatch(f"{line['#']}: {err}") from None
        # A message without a cause often comes a moment later.
        await self._quiet(20)
        if left := self._server.left():
            raise Mismatch(f"the server also heard {left}")
        if told := self._driver.left():
            raise Mismatch(f"the client also told {told}")

    async def _line(self, line: Line) -> None:
        for verb, payload in line.items():
            if verb in ("scenario", "about", "after_ms", "any_order", "frames", "#"):
                continue
            await getattr(self, f"_{verb}")(payload, line)

    @property
    def _link(self) -> Socket:
        if self._socket is None:
            raise Mismatch("nobody is connected")
        return self._socket

    # The user's part.

    async def _start(self, options: Line, line: Line) -> None:
        options = self._memory.fill(options)
        if options.get("outbox"):
            options["outbox"] = str(self._outbox / options["outbox"])
        self._driver.start(self._server.url, **options)

    async def _gives(self, names: str, line: Line) -> None:
        """Give these commands, without a pause."""
        commands = [self._command(name) for name in names.split()]
        if len(commands) == 1:
            self._driver.order(do="command", **commands[0])
        else:
            self._driver.order(do="commands", commands=commands)

    async def _do(self, order: Line, line: Line) -> None:
        self._driver.order(**self._memory.fill(order))

    async def _told(self, pattern: Line, line: Line) -> None:
        await self._driver.expect(loose(self._named(pattern)), self._memory)

    async def _kept(self, names: str, line: Line) -> None:
        """Expect acks of these commands, each with its own id."""
        for name in names.split():
            await self._told({"told": "ack", "id": name, "ack": {}}, line)

    async def _has(self, pattern: Line, line: Line) -> None:
        """Wait until the room has this state."""
        order = {"do": "state", "event": pattern.get("event", EVENT)}
        await self._driver.look(order, loose({"told": "state"} | pattern), self._memory)

    async def _waits(self, names: str, line: Line) -> None:
        """Wait until these commands, in this order, are the ones without an answer."""
        pending = [{"id": {"$id": name}, "$more": True} for name in names.split()]
        pattern = {"told": "pending", "pending": pending, "$more": True}
        await self._driver.look({"do": "pending"}, pattern, self._memory)

    def _command(self, name: str) -> Line:
        kind = COMMANDS[name.partition("-")[0]]
        args = dict(kind["args"])
        if "-" in name and "proposal" in args:
            args["proposal"] = f"p{name.rpartition('-')[2]}"
        return {"id": self._memory.id(name), "type": kind["type"], "args": args}

    def _named(self, pattern: Line) -> Line:
        """The command's name of ``id``."""
        if isinstance(pattern.get("id"), str):
            return pattern | {"id": {"$id": pattern["id"]}}
        return pattern

    # The server's part.

    async def _connects(self, pattern: Line, line: Line) -> None:
        """A new connection sends a ``hello`` like this."""
        self._socket, at = await self._server.accept()
        self._not_before(line, at)
        heard = await self._socket.hear()
        wanted = {"type": "hello", "token": {"$any": "string"}} | pattern
        self._match(wanted | {"$more": True}, heard)

    async def _welcomes(self, fields: Line, line: Line) -> None:
        """Answer with a welcome; ``limits`` are merged into the usual ones."""
        limits = LIMITS | fields.get("limits", {})
        await self._say(WELCOME | fields | {"limits": limits})

    async def _opens(self, fields: Line, line: Line) -> None:
        """A new connection, and its welcome."""
        pattern = {key: fields[key] for key in fields.keys() & {"resume", "token"}}
        await self._connects(pattern, line)
        await self._welcomes({key: fields[key] for key in fields.keys() - pattern.keys()}, line)

    async def _enters(self, fields: Line, line: Line) -> None:
        """The client is asked to subscribe, and gets a snapshot."""
        self._driver.order(do="subscribe", event=EVENT)
        await self._hears({"type": "subscribe", "event": EVENT}, line)
        await self._says({"type": "snapshot", "seq": 1} | fields, line)
        await self._told({"told": "subscribed", "event": EVENT, "seq": fields.get("seq", 1)}, line)

    async def _hears(self, wanted: Json, line: Line) -> None:
        """Expect these messages next: patterns, or the names of commands."""
        patterns = list(self._patterns(wanted))
        any_order = line.get("any_order", False)
        frames = set()
        while patterns:
            heard = await self._link.hear()
            self._not_before(line, heard.at)
            frames.add(heard.frame)
            if not any_order:
                self._match(patterns.pop(0), heard)
                continue
            for index, pattern in enumerate(patterns):
                if self._memory.fits(pattern, heard.message):
                    del patterns[index]
                    break
            else:
                raise Mismatch(f"{heard.message} is none of {patterns}")
        if "frames" in line and len(frames) > line["frames"]:
            raise Mismatch(f"{len(frames)} frames")

    async def _acks(self, names: str, line: Line) -> None:
        """Ack these commands; ``seq`` counts from the line's value."""
        for name in names.split():
            await self._say({"type": "ack", "id": {"$id": name}, "seq": 2})

    async def _says(self, message: Json, line: Line) -> None:
        await self._say(message)

    async def _says_text(self, text: str, line: Line) -> None:
        await self._link.say(text)

    async def _says_binary(self, text: str, line: Line) -> None:
        await self._link.say(base64.b64decode(text))

    async def _drops(self, really: bool, line: Line) -> None:
        self._link.drop()
        self._at = time.monotonic()

    async def _closes(self, code: int, line: Line) -> None:
        await self._link.close(code)
        self._at = time.monotonic()

    async def _restarts(self, away_ms: int, line: Line) -> None:
        """Cut every connection, and close the port for a while."""
        await self._server.leave()
        await asyncio.sleep(away_ms / 1000)
        await self._server.listen()
        self._at = time.monotonic()

    async def _gone(self, really: bool, line: Line) -> None:
        """Wait until the client gives the connection up."""
        await asyncio.wait_for(self._link.gone.wait(), 15)
        self._not_before(line, time.monotonic())

    async def _quiet_ms(self, ms: int, line: Line) -> None:
        """Check that nothing arrives for a while, and that no client connects."""
        await self._quiet(ms)

    async def _quiet(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)
        if self._server.waiting:
            raise Mismatch("somebody connected")
        if self._socket is not None and self._socket.heard:
            raise Mismatch(f"{self._socket.heard[0].message} was heard")

    async def _say(self, message: Json) -> None:
        if isinstance(message, list):
            payload = [self._filled(inner) for inner in message]
        else:
            payload = self._filled(message)
        self._at = time.monotonic()
        await self._link.say(payload)

    def _filled(self, message: Json) -> Json:
        if not isinstance(message, dict):
            return message
        return self._memory.fill(self._named(FILLED.get(message.get("type", ""), {}) | message))

    def _patterns(self, wanted: Json) -> Iterator[Json]:
        if isinstance(wanted, str):
            for name in wanted.split():
                command = self._command(name)
                yield {"type": command["type"], "id": command["id"]} | command["args"]
        else:
            for pattern in wanted if isinstance(wanted, list) else [wanted]:
                yield pattern | {"$more": True}

    def _match(self, pattern: Json, heard: Heard) -> None:
        try:
            self._memory.match(pattern, heard.message)
        except Mismatch as err:
            raise Mismatch(f"{err}\n  in {json.dumps(heard.message)}") from None

    def _not_before(self, line: Line, at: float) -> None:
        since = (at - self._at) * 1000
        if since < line.get("after_ms", 0) - EARLY_MS:
            raise Mismatch(f"it came {since:.0f} ms after what went before")


def loose(pattern: Json) -> Json:
    """The pattern, with more fields allowed in every object that is not a placeholder."""
    if not isinstance(pattern, dict):
        return [loose(inner) for inner in pattern] if isinstance(pattern, list) else pattern
    if any(key in pattern for key in ("$any", "$bind", "$ref", "$id")):
        return pattern
    return {"$more": True} | {key: loose(value) for key, value in pattern.items()}
