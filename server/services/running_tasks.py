"""Tasks that run to their end although the socket that began them is gone."""

from __future__ import annotations

import asyncio


class RunningTasks:
    """Holds references to tasks: the event loop holds none, so a task could be collected."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, task: asyncio.Task[None]) -> None:
        """Hold ``task`` until it ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ended(self) -> None:
        """Wait until all tasks have ended. Their errors are not raised."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
