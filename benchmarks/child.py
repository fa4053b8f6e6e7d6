"""A process that takes part in a benchmark, spoken to in lines of JSON."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import orjson

Words: TypeAlias = dict[str, Any]

#: Maximum of bytes in a line, which holds every step of a run.
LINE_BYTES = 64 * 2**20
#: Longest wait for an answer: thousands of sockets are opened at once.
ANSWER_TIMEOUT_S = 180.0


class Child:
    """The process as its parent sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def ask(self, question: Words) -> Words:
        """Send one line, wait for the answer's line."""
        assert self._process.stdin
        self._process.stdin.write(orjson.dumps(question) + b"\n")
        return await self.told()

    async def told(self) -> Words:
        """Wait for one line."""
        assert self._process.stdout
        line = await asyncio.wait_for(self._process.stdout.readline(), ANSWER_TIMEOUT_S)
        if not line:
            raise RuntimeError("a process of the benchmark ended early")
        answer: Words = orjson.loads(line)
        return answer


@asynccontextmanager
async def started(*command: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Child]:
    """Run ``command``, in the environment ``env`` if there is one; ended on leaving."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES,
        env=env,
    )
    try:
        yield Child(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def serve(answer: Callable[[Words], Awaitable[Words]]) -> None:
    """In the child: answer each line on standard input until it ends."""
    lines = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    while line := await lines.readline():
        sys.stdout.buffer.write(orjson.dumps(await answer(orjson.loads(line))) + b"\n")
        sys.stdout.buffer.flush()
