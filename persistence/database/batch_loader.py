"""Many small questions to the database, asked together.

While one query runs, the questions that come in gather; the next query answers all of them. A
thousand sockets that come back at once cost a handful of statements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Questions of one query; more wait for the next.
LONGEST_GATHER = 1_000


class BatchLoader(Generic[K, V]):
    """Answers ``ask(key)`` through ``fetch(keys)``, one call of it at a time."""

    def __init__(self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._fetch = fetch
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def load(self, key: K) -> V | None:
        """The answer for ``key``, as of some moment after the call; ``None`` where there is none.

        Raises what ``fetch`` raised.
        """
        future = self._asked.get(key)
        if future is None:
            future = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="gather")
        # Shielded: who asks first may go away before who asks second.
        return await asyncio.shield(future)

    async def _work(self) -> None:
        while self._asked:
            keys = list(self._asked)[:LONGEST_GATHER]
            futures = {key: self._asked.pop(key) for key in keys}
            try:
                found = await self._fetch(keys)
            except Exception as err:
                for future in futures.values():
                    future.set_exception(err)
                    # Not everybody who asked is still there to take it.
                    future.exception()
            else:
                for key, future in futures.items():
                    future.set_result(found.get(key))
        self._task = None
