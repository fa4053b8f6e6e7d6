"""One text to every socket with picows, a WebSocket library in Cython; see ``frames.md``.

python frames_picows.py
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server


class Room:
    """All sockets, and the position of the steps."""

    def __init__(self) -> None:
        self.members: set[WSTransport] = set()
        self._text: bytes | None = None
        self._steps = 0
        self._wanted = 0
        self._scheduled = False

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Obey a line of standard input."""
        if "send" in asked:
            text = asked["send"]
            self._text = None if text is None else text.encode()
            self._steps, self._wanted = 0, asked.get("ahead", 0)
            self._schedule()
        return {"members": len(self.members), "steps": self._steps}

    def allow(self, steps: int) -> None:
        """Go on until step ``steps``."""
        self._wanted = max(self._wanted, steps)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._step)

    def _step(self) -> None:
        self._scheduled = False
        if self._text is None or self._steps >= self._wanted:
            return
        self._steps += 1
        for member in self.members:
            member.send(WSMsgType.TEXT, self._text)
        self._schedule()


class Member(WSListener):  # type: ignore[misc]  # untyped, as picows is no package of the project
    """A member's socket."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Enter the room."""
        self._room.members.add(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a credit, or echo."""
        payload = frame.get_payload_as_bytes()
        if payload[:1] == b"c":
            self._room.allow(int(payload[1:]))
        else:
            transport.send(frame.msg_type, payload)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Leave the room."""
        self._room.members.discard(transport)


async def main() -> None:
    """Serve until standard input ends."""
    room = Room()

    def enter(request: WSUpgradeRequest) -> Member:
        return Member(room)

    server = await ws_create_server(enter, "127.0.0.1", 0, backlog=1_024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        print(json.dumps(room.answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
