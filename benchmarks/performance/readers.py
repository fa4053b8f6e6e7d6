"""Sockets that only read, in a process of their own, as cheap as Python allows.

    python -m benchmarks.performance.readers

Lines of JSON on standard input: ``{"port", "sockets"}`` opens them; ``{"frame": bytes}`` is the
size of every frame to come, and counts from 0; ``{"mark": true}`` is answered by ``frames`` and
the moment, ``at``. Frames are counted by their bytes: all have one size. When all sockets together
have a step, one of them allows the next (see ``benchmarks/peers/frames.md``).
"""

from __future__ import annotations

import base64
import os
import select
import socket
import sys
import time

import orjson

from benchmarks.child import Words
from benchmarks.load import frame
from benchmarks.server_process import HOST

#: Steps that a sender may be ahead of its readers.
AHEAD = 4
READ_BYTES = 262_144


class Readers:
    """All sockets of this process."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._frame = 0
        self._bytes = 0
        self._allowed = 0
        self._buffer = bytearray(READ_BYTES)
        self._poll.register(sys.stdin.fileno(), select.EPOLLIN)

    def serve(self) -> None:
        """Read all sockets, and answer each line of standard input, until that ends."""
        control = sys.stdin.fileno()
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor != control:
                    self._bytes += self._sockets[descriptor].recv_into(self._buffer)
                elif (line := sys.stdin.buffer.readline()) == b"":
                    return
                else:
                    sys.stdout.buffer.write(orjson.dumps(self.answer(orjson.loads(line))) + b"\n")
                    sys.stdout.buffer.flush()
            if self._frame:
                self._allow()

    def answer(self, asked: Words) -> Words:
        """Do what a line asks for."""
        if "port" in asked:
            for _ in range(asked["sockets"]):
                opened = _open(asked["port"])
                self._sockets[opened.fileno()] = opened
                self._poll.register(opened.fileno(), select.EPOLLIN)
        if "frame" in asked:
            self._frame, self._bytes, self._allowed = asked["frame"], 0, AHEAD
        frames = self._bytes // self._frame if self._frame else 0
        return {"frames": frames, "at": time.monotonic(), "sockets": len(self._sockets)}

    def _allow(self) -> None:
        """Allow the steps that readers have earned."""
        done = self._bytes // (self._frame * len(self._sockets))
        if done + AHEAD > self._allowed:
            self._allowed = done + AHEAD
            next(iter(self._sockets.values())).send(frame(b"c%d" % self._allowed))


def _open(port: int) -> socket.socket:
    """One WebSocket, after its handshake."""
    opened = socket.create_connection((HOST, port))
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    opened.sendall(
        f"GET /v1/socket HTTP/1.1\r\nHost: {HOST}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        f"Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += opened.recv(1)
    if head.split(b" ", 2)[1] != b"101":
        raise RuntimeError(head.decode())
    return opened


if __name__ == "__main__":
    Readers().serve()
