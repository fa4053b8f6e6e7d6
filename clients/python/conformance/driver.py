"""The Python SDK under the conformance suite: orders on stdin, reports of the SDK on stdout.

``tests/clients/README.md`` lists the orders and the reports. Nothing here retries, waits or
decides.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Coroutine
from typing import Any, TypeAlias

from ayes_client import AyesError, Change, Client, Room

Json: TypeAlias = dict[str, Any]
#: Bytes of one order. A longer one ends the driver; a batch of commands fits.
MAX_ORDER_BYTES = 16 * 1024 * 1024


class Driver:
    """One client at a time; a ``start`` after a ``stop`` makes a new one."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._rooms: dict[str, Room] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take orders until stdin ends."""
        reader = asyncio.StreamReader(limit=MAX_ORDER_BYTES)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            await self._obey(json.loads(line))
        if self._client is not None:
            await self._client.stop()
        await asyncio.gather(*self._tasks)

    async def _obey(self, order: Json) -> None:
        match order["do"]:
            case "start":
                self._start(order)
            case "stop":
                self._go(self._stop(self._the_client()))
            case "subscribe":
                self._go(self._subscribe(order["event"]))
            case "leave":
                self._go(self._leave(order["event"]))
            case "create_event":
                made = self._the_client().create_event(
                    order["subject"], id=order["id"], **order["args"]
                )
                self._go(self._enter(order["id"], made))
            case "join":
                by = order["by"]
                joined = (
                    self._the_client().join(by, id=order["id"])
                    if isinstance(by, str)
                    else self._the_client().join(invitation=by["invitation"], id=order["id"])
                )
                self._go(self._enter(order["id"], joined))
            case "act":
                act = getattr(self._rooms[order["event"]], order["act"])
                self._go(self._settle(order["id"], act(id=order["id"])))
            case "every":
                self._go(self._every(order))
            case "paged":
                self._go(self._paged(order))
            case "command":
                self._command(order)
            case "commands":
                for command in order["commands"]:
                    self._command(command)
            case "query":
                self._go(self._query(order))
            case "state":
                self._state(order["event"])
            case "pending":
                pending = self._the_client().waiting()
                waiting = [{"id": p.id, "type": p.type, "sent": p.sent} for p in pending]
                report("pending", pending=waiting)
            case other:
                raise ValueError(f"no such order: {other}")
        # An order is begun before the next one is read.
        await asyncio.sleep(0)

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _the_client(self) -> Client:
        assert self._client is not None, "no start came before"
        return self._client

    # Orders.

    def _start(self, order: Json) -> None:
        tokens = list(order["tokens"])

        def token() -> str:
            given = tokens.pop(0) if len(tokens) > 1 else tokens[0]
            if given is None:
                raise RuntimeError("the suite has no token now")
            return str(given)

        options: Json = {}
        if order.get("backoff_ms"):
            waits = order["backoff_ms"]
            options["backoff"] = (waits["base"] / 1000, waits["cap"] / 1000)
        if order.get("answer_timeout_ms"):
            options["answer_timeout"] = order["answer_timeout_ms"] / 1000
        if order.get("transport"):
            options["transport"] = order["transport"]
        if order.get("outbox"):
            options["outbox"] = order["outbox"] + ".outbox"
        if order.get("client"):
            options |= {"name": order["client"]["name"], "version": order["client"]["version"]}
        self._rooms.clear()
        self._client = client = Client(order["url"], token, **options)
        client.on("status", lambda status: report("status", status=status))
        client.on("transport", lambda transport: report("transport", transport=transport))
        client.on(
            "bye",
            lambda bye: report("bye", code=bye["code"], retry_after_ms=bye["retry_after_ms"]),
        )
        client.start()
        self._go(self._ready(client))
        if order.get("outbox"):
            self._go(self._loaded(client))

    async def _ready(self, client: Client) -> None:
        try:
            user = await client.ready()
        except AyesError as err:
            report("ready_error", error=error_fields(err))
        else:
            report("ready", user=user.id)

    async def _loaded(self, client: Client) -> None:
        found = await client.loaded()
        report("loaded", ids=[pending.id for pending in found])
        for pending in found:
            if (future := client.adopt(pending.id)) is not None:
                self._go(self._settle(pending.id, _awaited(future)))

    async def _stop(self, client: Client) -> None:
        await client.stop()
        # Each promise is settled. Its report goes first.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        report("stopped")

    def _command(self, order: Json) -> None:
        work = self._the_client().command(order["type"], order["args"], id=order["id"])
        self._go(self._settle(order["id"], work))

    async def _settle(self, id: str, work: Coroutine[Any, Any, Any]) -> None:
        try:
            ack = await work
        except AyesError as err:
            report("error", id=id, error=error_fields(err))
        else:
            report("ack", id=id, ack=ack.to_dict())

    async def _query(self, order: Json) -> None:
        try:
            reply = await self._the_client().query(order["type"], order["args"])
        except AyesError as err:
            report("reply_error", key=order["key"], error=error_fields(err))
        else:
            report("reply", key=order["key"], reply=reply)

    # Rooms.

    async def _subscribe(self, event: str) -> None:
        client = self._the_client()
        entering = asyncio.ensure_future(client.subscribe(event))
        await asyncio.sleep(0)
        room = client.rooms.get(event)
        if room is not None and self._rooms.get(event) is not room:
            self._rooms[event] = room
            self._listen(room)
        try:
            room = await entering
        except AyesError as err:
            report("subscribe_error", event=event, error=error_fields(err))
        else:
            report("subscribed", event=event, seq=room.seq)

    async def _enter(self, id: str, entering: Coroutine[Any, Any, Room]) -> None:
        try:
            room = await entering
        except AyesError as err:
            report("error", id=id, error=error_fields(err))
            return
        if self._rooms.get(room.event) is not room:
            self._rooms[room.event] = room
            self._listen(room)
        report("entered", id=id, event=room.event, seq=room.seq)

    async def _every(self, order: Json) -> None:
        room, last = self._rooms[order["event"]], order["until_seq"]
        interval = order["interval_ms"] / 1000
        async for shown in room.every(interval, until=lambda room: room.seq >= last):
            report("tick", event=shown.event, seq=shown.seq)
        report("every_ended", event=room.event)

    async def _paged(self, order: Json) -> None:
        asked = self._rooms[order["event"]] if "event" in order else self._the_client()
        try:
            entries = [entry async for entry in asked.paged(order["type"], order["args"])]
        except AyesError as err:
            report("reply_error", key=order["key"], error=error_fields(err))
        else:
            report("reply", key=order["key"], reply={"entries": entries})

    def _listen(self, room: Room) -> None:
        event = room.event

        def changed(change: Change) -> None:
            if change.from_seq < 0 and change.reason == "initial":
                # That one is reported as ``subscribed``.
                return
            report(
                "change",
                **{"event": event, "from": change.from_seq, "seq": change.seq},
                reason=change.reason,
            )

        def mine(patch: Json | None) -> None:
            if patch is not None:
                report("you", event=event, seq=room.seq)

        room.on("change", changed)
        room.on("you", mine)
        room.on("presence", lambda online: report("presence", event=event, online=online))
        room.on("closed", lambda reason: self._closed(room, reason))

    def _closed(self, room: Room, reason: str) -> None:
        if room.seq >= 0 and reason != "client":
            report("closed", event=room.event, reason=reason)

    async def _leave(self, event: str) -> None:
        room = self._rooms.get(event)
        if room is not None:
            await room.leave()
        report("left", event=event)

    def _state(self, event: str) -> None:
        room = self._the_client().rooms.get(event)
        if room is None or room.seq < 0:
            report("state", event=event, state=None)
            return
        known = {"state": room.state, "you": room.you, "seq": room.seq, "epoch": room.epoch}
        report("state", event=event, live=room.live, **known)


async def _awaited(future: asyncio.Future[Any]) -> Any:
    return await future


def error_fields(error: AyesError) -> Json:
    """Return an error as the suite compares it."""
    wanted = ("code", "effect", "retry", "details", "message", "replayed")
    return {name: getattr(error, name) for name in wanted}


def report(what: str, **fields: Any) -> None:
    """Print a line on stdout."""
    sys.stdout.write(json.dumps({"told": what, **fields}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # The one warning before the first welcome is no report of the driver.
    logging.getLogger("ayes_client").addHandler(logging.NullHandler())
    asyncio.run(Driver().run())
