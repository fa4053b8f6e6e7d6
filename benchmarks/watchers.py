"""Members who watch a room, in a process of their own.

    python -m benchmarks.watchers

Spoken to in lines of JSON on standard input: first what to watch, ``{"host", "port", "event",
"tokens"}``, answered by ``{"ready": true}`` once all are subscribed; then, as often as wanted,
``{"steps": [seq, ...]}``, answered by when the last of all watchers had each step (monotonic
seconds, the same clock in every process of a machine).
"""

from __future__ import annotations

import asyncio
import sys
from bisect import bisect_left
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import uvloop

from benchmarks.child import Child, Words, serve, started
from benchmarks.load import ANSWER_TIMEOUT_S, Client, Message

#: Seconds between two looks at whether all have reached the position.
CHECK_EVERY = 0.01


class Watcher:
    """A subscribed member: the times of its positions."""

    def __init__(self, client: Client, event: str) -> None:
        self._client = client
        self._event = event
        self._seqs: list[int] = []
        self._times: list[float] = []
        self.gaps = 0

    async def subscribe(self) -> None:
        """Enter the room."""
        self._client.listener = self._on_message
        answer = await self._client.request("subscribe", event=self._event)
        self._seqs.append(answer["seq"])
        self._times.append(monotonic())

    def _on_message(self, message: Message) -> None:
        if message["type"] != "diff":
            return
        if self._seqs and message["from"] != self._seqs[-1]:
            self.gaps += 1
        self._seqs.append(message["seq"])
        self._times.append(monotonic())

    @property
    def seq(self) -> int:
        """The position reached."""
        if self._client.closed:
            raise self._client.closed
        return self._seqs[-1]

    def when(self, seq: int) -> float:
        """The moment this watcher had step ``seq``."""
        return self._times[bisect_left(self._seqs, seq)]


class Watchers:
    """All watchers of a room, in this process."""

    def __init__(self) -> None:
        self._watchers: list[Watcher] = []

    async def answer(self, question: Words) -> Words:
        """Obey a line of standard input."""
        if "event" in question:
            return await self._enter(question)
        return await self._arrivals(question["steps"])

    async def _enter(self, spec: Words) -> Words:
        for token in spec["tokens"]:
            client = await Client.connect(spec["host"], spec["port"], token)
            self._watchers.append(Watcher(client, spec["event"]))
            await self._watchers[-1].subscribe()
        return {"ready": True}

    async def _arrivals(self, steps: list[int]) -> Words:
        for _ in range(int(ANSWER_TIMEOUT_S / CHECK_EVERY)):
            if min(watcher.seq for watcher in self._watchers) >= max(steps):
                break
            await asyncio.sleep(CHECK_EVERY)
        else:
            raise TimeoutError("not all watchers reached the last step")
        return {
            "last": [max(watcher.when(seq) for watcher in self._watchers) for seq in steps],
            "gaps": sum(watcher.gaps for watcher in self._watchers),
        }


@asynccontextmanager
async def watching(host: str, port: int, event: str, tokens: list[str]) -> AsyncIterator[Child]:
    """As many watchers as ``tokens``, all subscribed to ``event``, in a process of their own."""
    async with started(sys.executable, "-m", "benchmarks.watchers") as child:
        await child.ask({"host": host, "port": port, "event": event, "tokens": tokens})
        yield child


if __name__ == "__main__":
    uvloop.run(serve(Watchers().answer))
