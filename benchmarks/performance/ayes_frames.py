"""The server's own code for a room's frames to its sockets, without votes and database.

    python -m benchmarks.performance.ayes_frames

Room, subscription, outbound side and connection are those of the server. Steps come from here, one
by one, and none is merged with another. See ``benchmarks/peers/frames.md`` for what it is asked.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import orjson
import uvicorn
import uvloop
from starlette.types import Receive, Scope, Send

from benchmarks.child import Words, serve
from handlers.audiences import Patches
from protocol import answers
from server.rooms import room as rooms
from server.rooms.room import Room
from server.rooms.step_history import RoomStep
from server.rooms.subscription import Subscription
from server.sessions.outbound import Outbound
from server.transport.frames import frame
from server.transport.guard import EXTENSION, GuardedConfig, SocketTransport
from server.transport.large_answers import LargeAnswers

EVENT = "0190f0a0-0000-7000-8000-000000000000"
PROPOSAL = "0190f0a0-0000-7000-8000-000000000001"
#: So large that the number of a step never gets longer, and all frames have one size.
FIRST = 1_000_000


class Stage:
    """A room, and the position of its steps."""

    def __init__(self) -> None:
        self.room = Room(EVENT)
        self.room.reset("0123456789abcdef", FIRST, bytes(32), {"counts": {}, "proposals": {}})
        self.large = LargeAnswers()
        self._wanted = 0
        self._scheduled = False

    async def answer(self, asked: Words) -> Words:
        """Obey a line of standard input; ``frame`` is the size of every frame."""
        if "send" in asked:
            self._wanted = self.steps + asked.get("ahead", 0) if asked["send"] else 0
            self._begun = self.steps
            self._schedule()
        return {"members": len(self.room.subscriptions), "steps": self.steps, "frame": _size()}

    @property
    def steps(self) -> int:
        """Steps so far."""
        return self.room.seq - FIRST

    def allow(self, steps: int) -> None:
        """Go on until step ``steps`` since the last start."""
        self._wanted = max(self._wanted, self._begun + steps)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        self._scheduled = False
        if self.steps >= self._wanted:
            return
        self.room.apply([_step(self.room.seq + 1)])
        self._schedule()

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A member's socket."""
        await receive()
        await send({"type": "websocket.accept"})
        transport: SocketTransport = scope["extensions"][EXTENSION]
        member = Member(self, transport)
        transport.attach(member)
        while (await receive())["type"] != "websocket.disconnect":
            pass


class Member:
    """One socket of the room: its receiver, and the outlet of its subscription."""

    deflates = False
    expects_answer = False

    def __init__(self, stage: Stage, transport: SocketTransport) -> None:
        self._stage = stage
        self._transport = transport
        self._outbound = Outbound(transport, stage.large, 64, {})
        self._subscription = Subscription(stage.room, "member", self, lambda _, reason: None)
        self._subscription.seq, self._subscription.live = stage.room.seq, True
        stage.room.enter(self._subscription)

    def text(self, payload: bytes) -> None:
        """Take a credit."""
        if payload[:1] == b"c":
            self._stage.allow(int(payload[1:]))
        else:
            self._outbound.say(payload)

    def binary(self) -> None:
        """Do nothing."""

    def alive(self) -> None:
        """Do nothing."""

    def writable(self) -> None:
        """Continue with the waiting frames."""
        self._outbound.delivery.writable()
        self._subscription.pull()

    def closed(self, code: int) -> None:
        """Leave the room."""
        self._stage.room.leave(self._subscription)
        self._outbound.drop()

    def can_send(self) -> bool:
        """Whether a frame may be written now."""
        return self._transport.can_send_room_frame()

    def admits(self, size: int) -> bool:
        """Whether a frame of ``size`` bytes may wait."""
        return self._outbound.delivery.admits("member", size)

    def send_room(self, *parts: bytes) -> None:
        """Write a frame of the room."""
        self._outbound.send_room(*parts)


def _step(seq: int) -> RoomStep:
    patch: dict[str, Any] = {"proposals": {PROPOSAL: {"agree": 100 + seq % 100}}}
    return RoomStep(seq, Patches(member=patch), {"member": orjson.dumps(patch)}, bytes(32))


def _size() -> int:
    seq = FIRST + 1
    patch = _step(seq).encoded["member"]
    diff = answers.diff(event=EVENT, epoch="0" * 16, from_=seq, seq=seq, patch=patch)
    return len(frame(diff))


async def main() -> None:
    """Serve until standard input ends."""
    rooms.FRAME_INTERVAL_S = 0.0  # each step must be a frame
    stage = Stage()
    listening = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    config = GuardedConfig(stage.app, interface="asgi3", log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    print(orjson.dumps({"port": listening.getsockname()[1]}).decode(), flush=True)
    await serve(stage.answer)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    uvloop.run(main())
