"""Plays a golden transcript against a real server; clients of an SDK take the sockets' roles.

A client's line becomes an order to its driver. A server's line is checked in the SDK's own terms:
an answer in the outcome of its promise, a snapshot, a diff or ``you`` in the folded room.
"""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

from tests.clients.driving import Driver, driving
from tests.clients.line import Line, line_to
from tests.clients.playing import loose
from tests.promises.running import Running
from tests.transcripts.matching import Memory, Mismatch, TokenMaker

Json: TypeAlias = Any

#: Messages that an SDK does not expose; the story goes on without them.
BESIDE = frozenset({"hello", "welcome", "ping", "pong"})
#: Fields of an answer that are the same however often a connection broke before it.
LASTING = {
    "ack": ("event", "seq", "hash", "applied", "result"),
    "error": ("code", "effect", "retry", "details"),
}


class Role:
    """A socket of the story: a driver, its line to the server, and the rooms it is in."""

    def __init__(self, driver: Driver, line: Line) -> None:
        self.driver = driver
        self.line = line
        self.user = ""
        self.rooms: set[str] = set()
        self.questions: dict[str, str] = {}
        """The type of each query, by its ``ref``."""


class Storyteller:
    """A run of a story; with ``chance``, connections break around that share of the commands."""

    def __init__(
        self,
        client: str,
        server: Running,
        token: TokenMaker,
        *,
        seed: int = 0,
        chance: float = 0.0,
        options: Json | None = None,
    ) -> None:
        """``options`` are given to every client that starts."""
        self._options: dict[str, Json] = options or {}
        self._client = client
        self._server = server
        self._token = token
        self._memory = Memory(token)
        self._random = random.Random(seed)
        self._chance = chance
        self._roles: dict[str, Role] = {}
        self._stack = AsyncExitStack()
        self.cuts = 0
        """The number of connections that were broken around a command."""

    async def tell(self, lines: list[Json]) -> None:
        """Play to the end, then compare each room with a new snapshot."""
        async with self._stack:
            told = [line for line in lines if "dir" in line]
            for index, line in enumerate(told):
                alone = all(
                    near["dir"] == "s" for near in (told[index - 1 : index] + told[index + 1 :])[:2]
                )
                try:
                    if line["dir"] == "c":
                        await self._say(line, may_break=alone)
                    else:
                        await self._hear(line)
                except Mismatch as err:
                    raise Mismatch(f"{line}: {err}") from None
            await self._compare()

    # The clients' lines

    async def _say(self, line: Json, *, may_break: bool) -> None:
        message = line["message"]
        if isinstance(message, list):
            role = self._roles[line["socket"]]
            role.driver.order(do="commands", commands=[self._command(part) for part in message])
            return
        if message["type"] == "hello":
            await self._enter(line["socket"], message)
            return
        role = self._roles[line["socket"]]
        kind = message["type"]
        if "id" in message:
            await self._give(role, message, may_break=may_break)
        elif kind == "subscribe":
            role.questions[message.get("ref", "")] = kind
            role.driver.order(do="subscribe", event=self._memory.fill(message["event"]))
        elif kind == "unsubscribe":
            event = self._memory.fill(message["event"])
            role.rooms.discard(event)
            role.driver.order(do="leave", event=event)
        elif kind not in BESIDE:
            args = self._memory.fill({k: v for k, v in message.items() if k not in ("type", "ref")})
            role.questions[message["ref"]] = kind
            role.driver.order(do="query", key=message["ref"], type=kind, args=args)

    def _command(self, message: Json) -> Json:
        filled = self._memory.fill(message)
        args = {key: value for key, value in filled.items() if key not in ("id", "type")}
        return {"id": filled["id"], "type": filled["type"], "args": args}

    async def _give(self, role: Role, message: Json, *, may_break: bool) -> None:
        command = self._command(message)
        if not may_break or self._random.random() >= self._chance:
            role.driver.order(do="command", **command)
            return
        self.cuts += 1
        if self._random.random() < 0.5:
            # Cut either before the command arrives, or after it.
            role.driver.order(do="command", **command)
            role.line.cut()
            return
        # The command arrives, and its answer does not.
        before = role.line.heard
        role.line.deaf = True
        role.driver.order(do="command", **command)
        await role.driver.until(lambda: role.line.heard > before)
        role.line.cut()

    async def _enter(self, name: str, hello: Json) -> None:
        line = await self._stack.enter_async_context(line_to(self._server.port))
        driver = await self._stack.enter_async_context(driving(self._client))
        role = self._roles[name] = Role(driver, line)
        role.user = hello["token"]["$token"]
        driver.start(
            line.url, tokens=[self._token(hello["token"])], answer_timeout_ms=3_000, **self._options
        )
        await driver.expect({"told": "ready", "user": role.user}, self._memory)

    # The server's lines

    async def _hear(self, line: Json) -> None:
        role, message = self._roles[line["socket"]], line["message"]
        kind = message["type"]
        if kind in BESIDE:
            return
        if "id" in message:
            kept = {key: message[key] for key in LASTING[kind] if key in message}
            pattern = {"told": kind, "id": message["id"], kind: kept | {"$more": True}}
            await role.driver.expect(pattern | {"$more": True}, self._memory)
        elif kind in ("snapshot", "resumed", "diff", "you"):
            await self._show(role, message)
        elif kind == "unsubscribed":
            await self._put_out(role, message)
        elif "ref" in message:
            await self._answer(role, message)
        else:
            raise Mismatch(f"no SDK shows {kind}")

    async def _answer(self, role: Role, message: Json) -> None:
        failed = message["type"] == "error"
        if role.questions[message["ref"]] == "subscribe":
            event = self._memory.fill(message["event"])
            pattern = {"told": "subscribe_error", "event": event, "error": _lasting(message)}
        elif failed:
            pattern = {"told": "reply_error", "key": message["ref"], "error": _lasting(message)}
        else:
            reply = {key: value for key, value in message.items() if key != "ref"}
            reply["$more"] = True
            pattern = {"told": "reply", "key": message["ref"], "reply": reply}
        await role.driver.expect(pattern | {"$more": True}, self._memory)

    async def _show(self, role: Role, message: Json) -> None:
        event = self._memory.fill(message["event"])
        if message["type"] == "snapshot" and event not in role.rooms:
            told = {"told": "subscribed", "event": event, "$more": True}
            await role.driver.expect(told, self._memory)
            role.rooms.add(event)
        pattern: Json = {"told": "state", "event": event, "$more": True}
        for key in ("epoch", "seq", "state", "you"):
            if key in message and not (key == "seq" and message["type"] == "you"):
                pattern[key] = message[key]
        if "patch" in message:
            shown = "you" if message["type"] == "you" else "state"
            pattern[shown] = loose(_without_nulls(message["patch"]))
        await role.driver.look({"do": "state", "event": event}, pattern, self._memory)

    async def _put_out(self, role: Role, message: Json) -> None:
        event = self._memory.fill(message["event"])
        if message["reason"] == "client":
            return
        role.rooms.discard(event)
        # If the connection broke, the next one learns that there is nothing to resume.
        told = {"told": "closed", "event": event, "reason": {"$bind": "reason"}}
        await role.driver.expect(told, self._memory)
        reason = self._memory.bound("reason")
        if reason not in (message["reason"], *(("not_a_member", "not_found") if self.cuts else ())):
            raise Mismatch(f"closed with {reason}")

    async def _compare(self) -> None:
        """Check that every room of a client equals a new snapshot."""
        for role in self._roles.values():
            for event in role.rooms:
                witness = await self._server.connect(role.user)
                fresh = await witness.subscribe(event)
                pattern = {
                    "told": "state", "event": event, "live": True, "epoch": fresh.epoch,
                    "seq": fresh.seq, "state": fresh.state, "you": fresh.you, "$more": True,
                }  # fmt: skip
                await role.driver.look({"do": "state", "event": event}, pattern, self._memory)
                await witness.leave()


def _lasting(message: Json) -> Json:
    return {key: message[key] for key in LASTING["error"] if key in message} | {"$more": True}


def _without_nulls(patch: Json) -> Json:
    """The fields that the patch leaves once it is applied: ``null`` removes a field."""
    if not isinstance(patch, dict):
        return patch
    return {key: _without_nulls(value) for key, value in patch.items() if value is not None}
