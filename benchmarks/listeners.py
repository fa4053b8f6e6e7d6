"""Sockets that only take what comes, counted, in a process of their own.

    python -m benchmarks.listeners

Spoken to in lines of JSON on standard input. ``{"host", "port", "tokens", "event"}`` opens a socket
for each token and subscribes it; without ``event`` the sockets are opened and nothing is said, for
a peer that has no protocol. ``{"mark": true}`` is answered by what came so far: ``frames``,
``bytes``, ``steps`` (the positions of all sockets added up), and the moment, ``at``.
``{"resume": [token, ...], "at": [event, epoch, seq]}`` opens that many more at once, and is
answered by how long each took to be whole again.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import uvloop

from benchmarks.child import Child, Words, serve, started
from benchmarks.load import Client

#: Sockets opened at the same time, unless opening is measured.
OPENING = 50

_POSITION = re.compile(rb'"seq":(\d+)')


class Listener(Client):
    """A socket that counts frames, decodes none while listening, and keeps the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.position = 0
        self._listening = False
        self._last = b""

    def listen(self, position: int) -> None:
        """From now on, only count."""
        self.position, self._listening = position, True

    def mark(self) -> int:
        """The position reached: that of the last diff."""
        if self.closed:
            raise self.closed
        if b'"diff"' in self._last and (found := _POSITION.search(self._last)):
            self.position = int(found[1])
        return self.position

    def _read_frame(self, first: int, payload: bytes) -> None:
        if not self._listening or first & 0xF > 7:
            super()._read_frame(first, payload)
            return
        self.frames_in += 1
        if b'"diff"' in payload[:20]:
            self._last = payload


class Listeners:
    """All listeners of this process."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    async def answer(self, question: Words) -> Words:
        """Obey a line of standard input."""
        if "tokens" in question:
            return await self._open(question)
        if "resume" in question:
            return await self._resume(question)
        return {
            "at": monotonic(),
            "frames": sum(listener.frames_in for listener in self._listeners),
            "bytes": sum(listener.bytes_in for listener in self._listeners),
            "steps": sum(listener.mark() for listener in self._listeners),
        }

    async def _open(self, spec: Words) -> Words:
        gate = asyncio.Semaphore(OPENING)

        async def enter(token: str) -> Listener:
            async with gate:
                position = 0
                if "event" in spec:
                    listener = await Listener.connect(spec["host"], spec["port"], token)
                    answer = await listener.request("subscribe", event=spec["event"])
                    position = answer["seq"]
                else:
                    listener = await Listener.silent(spec["host"], spec["port"])
                listener.listen(position)
                return listener

        self._listeners += await asyncio.gather(*(enter(token) for token in spec["tokens"]))
        return {"open": len(self._listeners)}

    async def _resume(self, spec: Words) -> Words:
        event, epoch, seq = spec["at"]
        begun = monotonic()

        async def enter(token: str) -> tuple[Listener, float]:
            resume = [{"event": event, "epoch": epoch, "seq": seq}]
            listener = await Listener.resumed(spec["host"], spec["port"], token, resume)
            waited = monotonic() - begun
            listener.listen(seq)
            return listener, waited

        made = await asyncio.gather(*(enter(token) for token in spec["resume"]))
        self._listeners += [listener for listener, _ in made]
        return {"waited": [waited for _, waited in made]}


@asynccontextmanager
async def listening() -> AsyncIterator[Child]:
    """A process of listeners, none open yet."""
    async with started(sys.executable, "-m", "benchmarks.listeners") as child:
        yield child


if __name__ == "__main__":
    uvloop.run(serve(Listeners().answer))
