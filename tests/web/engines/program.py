"""A program that the tests start, and end with all processes that it started."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

#: Seconds for a program to be ready, and to end. A loaded machine starts a browser in ten.
START_TIMEOUT_S = 60.0
#: Seconds between two looks at a program that is starting.
LOOK_INTERVAL_S = 0.05


class Program:
    """A running program, in a process group of its own; what it prints is in ``log``."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    def signal(self, number: signal.Signals) -> None:
        """Send ``number`` to it and to all processes that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def end(self) -> None:
        """Kill it and all processes that it started."""
        self.signal(signal.SIGKILL)
        await self._process.wait()


@asynccontextmanager
async def program(
    *command: str, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Run ``command``, without a proxy; ``environment`` is added to the present one."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=inherited | dict(environment or {}),
            start_new_session=True,
        )
    started = Program(process, log)
    try:
        yield started
    finally:
        await started.end()
