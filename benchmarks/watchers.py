"""Members who watch a room, in a process of their own.

    python -m benchmarks.watchers

Spoken to in lines of JSON on standard input: first what to watch, ``{"host", "port", "event",
"tokens"}``, answered by ``{"ready": true}`` once all are subscribed; then, as often as wanted,
``{"steps": [seq, ...]}``, answered by when the last of all watchers had each step (monotonic
seconds, the same clock in every process of a machine), and what came over the wire since.
"""

from __future__ import annotations

import asyncio
import sys
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

import orjson
import uvloop

from benchmarks.load import ANSWER_TIMEOUT, Client, Message

#: A line holds every step of a run.
LINE_BYTES = 64 * 2**20
#: Seconds between two looks at whether all have come as far as they should.
CHECK_EVERY = 0.01


class Watcher:
    """One subscribed member: when it was at which position."""

    def __init__(self, client: Client, event: str) -> None:
        self._client = client
        self._event = event
        self._seqs: list[int] = []
        self._times: list[float] = []
        self.frames = 0
        self.bytes = 0
        self.gaps = 0

    async def subscribe(self) -> None:
        """Enter the room."""
        self._client.listener = self._on_message
        answer = await self._client.request("subscribe", event=self._event)
        self._seqs.append(answer["seq"])
        self._times.append(monotonic())
        self._counted = (self._client.frames_in, self._client.bytes_in)

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

    def counted(self) -> tuple[int, int]:
        """Frames and bytes since the last call."""
        before = self._counted
        self._counted = (self._client.frames_in, self._client.bytes_in)
        return self._counted[0] - before[0], self._counted[1] - before[1]


class Watchers:
    """The process of the watchers, seen from the command that started it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def arrivals(self, steps: Sequence[int]) -> Message:
        """When the last watcher had each of ``steps``; waits until all have the highest."""
        return await self._ask({"steps": list(steps)})

    async def _ask(self, question: Any) -> Message:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(orjson.dumps(question) + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_TIMEOUT)
        if not line:
            raise RuntimeError("the watchers' process ended")
        answer: Message = orjson.loads(line)
        return answer


@asynccontextmanager
async def watching(host: str, port: int, event: str, tokens: list[str]) -> AsyncIterator[Watchers]:
    """As many watchers as ``tokens``, all subscribed to ``event``."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.watchers"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
    )
    try:
        watchers = Watchers(process)
        await watchers._ask({"host": host, "port": port, "event": event, "tokens": tokens})
        yield watchers
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def main() -> None:
    """Answer the lines on standard input until it ends."""
    lines = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    spec = orjson.loads(await lines.readline())
    watchers = []
    for token in spec["tokens"]:
        client = await Client.connect(spec["host"], spec["port"], token)
        watchers.append(Watcher(client, spec["event"]))
        await watchers[-1].subscribe()
    _answer({"ready": True})
    while line := await lines.readline():
        steps = orjson.loads(line)["steps"]
        for _ in range(int(ANSWER_TIMEOUT / CHECK_EVERY)):
            if min(watcher.seq for watcher in watchers) >= max(steps):
                break
            await asyncio.sleep(CHECK_EVERY)
        else:
            raise TimeoutError("not all watchers reached the last step")
        counts = [watcher.counted() for watcher in watchers]
        _answer(
            {
                "last": [max(watcher.when(seq) for watcher in watchers) for seq in steps],
                "frames": sum(frames for frames, _ in counts),
                "bytes": sum(size for _, size in counts),
                "gaps": sum(watcher.gaps for watcher in watchers),
            }
        )


def _answer(message: Message) -> None:
    sys.stdout.buffer.write(orjson.dumps(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    uvloop.run(main())
