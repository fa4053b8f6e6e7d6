"""Plays the server's lines of a golden transcript to a client, and checks the client's state."""

from __future__ import annotations

from typing import Any, TypeAlias

from tests.clients.driving import Driver
from tests.clients.misbehaving import Misbehaving, Socket
from tests.clients.playing import EPOCH, FILLED, LIMITS, TIME, WELCOME
from tests.promises.fold import fold
from tests.transcripts.matching import Memory, Mismatch

Json: TypeAlias = Any

#: A value for each kind of placeholder.
VALUES: dict[str, Json] = {
    "anything": "whatever",
    "string": "words",
    "integer": 7,
    "boolean": True,
    "object": {},
    "array": [],
    "time": TIME,
    "hash": "0" * 64,
    "code": "A1B2C3",
}
#: A driver's report of an answer.
TOLD: dict[str, tuple[str, ...]] = {
    "ack": ("event", "seq", "hash", "applied", "replayed", "result"),
    "error": ("code", "effect", "retry", "details"),
}


class Maker(Memory):
    """Makes up the values that a pattern leaves open, the same value for the same name."""

    def make(self, pattern: Json) -> Json:
        """A value that matches ``pattern``."""
        if isinstance(pattern, list):
            return [self.make(inner) for inner in pattern]
        if not isinstance(pattern, dict):
            return pattern
        match pattern:
            case {"$any": kind}:
                return VALUES[kind]
            case {"$bind": name}:
                kind = pattern.get("is", "anything")
                if name == "epoch":
                    # Some lines leave it out.
                    return self.name(name, EPOCH)
                value = f"{name}-made-up" if kind in ("anything", "string") else VALUES[kind]
                return self.name(name, value)
            case {"$ref": _} | {"$id": _} | {"$repeat": _}:
                return self.fill(pattern)
        return {
            self._made_key(key): self.make(value)
            for key, value in pattern.items()
            if key != "$more"
        }

    def _made_key(self, key: str) -> str:
        if key.startswith("$bind:"):
            return str(self.name(key[6:], f"{key[6:]}-made-up"))
        return self._key(key)


class Retelling:
    """A socket's part of a story, with every placeholder replaced."""

    def __init__(self, lines: list[Json], socket: str) -> None:
        maker = Maker(lambda asked: f"token-of-{asked['$token']}")
        self.lines: list[tuple[str, Json]] = []
        for line in lines:
            if "dir" not in line:
                continue
            said = line["dir"] == "s"
            # Lines of other clients bind names as well.
            message = maker.make(line["message"]) if said else maker.fill(line["message"])
            if line["socket"] == socket:
                self.lines.append((line["dir"], message))
        self._states: dict[str, Json] = {}
        self._yours: dict[str, Json] = {}
        self._seqs: dict[str, int] = {}
        self._refs: dict[str, Json] = {}

    async def play(self, driver: Driver, server: Misbehaving) -> None:
        """Play to the end; raises ``Mismatch``."""
        memory = Memory(lambda asked: "")
        (_, hello), (_, welcome), *rest = self.lines
        driver.start(server.url, tokens=[hello["token"]])
        socket, _ = await server.accept()
        memory.match({"type": "hello", "token": hello["token"], "$more": True}, await _next(socket))
        await socket.say(WELCOME | {"limits": LIMITS} | welcome)
        for direction, message in rest:
            if direction == "c":
                await self._order(driver, socket, message, memory)
            else:
                await self._say(driver, socket, message, memory)
        for event, state in self._states.items():
            pattern = {"told": "state", "event": event, "state": state, "you": self._yours[event]}
            pattern |= {"seq": self._seqs[event], "live": True, "$more": True}
            await driver.look({"do": "state", "event": event}, pattern, memory)
        if left := server.left():
            raise Mismatch(f"the server also heard {left}")

    async def _order(self, driver: Driver, socket: Socket, message: Json, memory: Memory) -> None:
        kind = message["type"]
        if "id" in message:
            driver.order(do="command", **_command(message))
            memory.match(message, await _next(socket))
            return
        args = {key: value for key, value in message.items() if key not in ("type", "ref")}
        if kind == "subscribe":
            driver.order(do="subscribe", **args)
        elif kind == "unsubscribe":
            self._states.pop(args["event"])
            driver.order(do="leave", **args)
        else:
            driver.order(do="query", key=message["ref"], type=kind, args=args)
        heard = await _next(socket)
        memory.match({"type": kind} | args | {"$more": True}, heard)
        self._refs[message.get("ref", "")] = heard.get("ref")

    async def _say(self, driver: Driver, socket: Socket, message: Json, memory: Memory) -> None:
        kind = message["type"]
        said = FILLED.get(kind, {}) | message
        if "ref" in message:
            said |= {"ref": self._refs[message["ref"]]}
        await socket.say(said)
        event = message.get("event")
        if kind == "snapshot":
            first = event not in self._states
            self._states[event], self._yours[event] = said["state"], said["you"]
            self._seqs[event] = said["seq"]
            if first:
                await driver.expect({"told": "subscribed", "event": event, "$more": True}, memory)
        elif kind == "diff" and event in self._states:
            self._states[event] = fold(self._states[event], said["patch"])
            self._seqs[event] = said["seq"]
        elif kind == "you" and event in self._yours:
            self._yours[event] = fold(self._yours[event], said["patch"])
        elif kind == "unsubscribed" and message["reason"] != "client":
            self._states.pop(event)
            told = {"told": "closed", "event": event, "reason": message["reason"]}
            await driver.expect(told, memory)
        elif "id" in message:
            outcome = {key: said[key] for key in TOLD[kind] if key in said} | {"$more": True}
            told = {"told": kind, "id": message["id"], kind: outcome, "$more": True}
            await driver.expect(told, memory)


def _command(message: Json) -> Json:
    args = {key: value for key, value in message.items() if key not in ("id", "type")}
    return {"id": message["id"], "type": message["type"], "args": args}


async def _next(socket: Socket) -> Json:
    return (await socket.hear()).message
