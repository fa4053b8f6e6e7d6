"""Load values by key, with one query for all the keys that are asked for meanwhile.

While a query runs, further keys gather; the next query answers all of them. A thousand sockets that
reconnect at once cost a handful of statements.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: Keys of one query; further ones wait for the next. Bounds the size of one statement.
MAX_BATCH_KEYS = 1_000


class BatchLoader(Generic[K, V]):
    """Answers ``load(key)`` through ``fetch(keys)``, one call of it at a time."""

    def __init__(self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        self._fetch = fetch
        self._asked: dict[K, asyncio.Future[V | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def load(self, key: K) -> V | None:
        """Return the value for ``key``, read after this call; ``None`` if there is none.

        Raises what ``fetch`` raised.
        """
        future = self._asked.get(key)
        if future is None:
            future = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="batch loader")
        # Shielded: if the caller that began the query disconnects, the others still need it.
        return await asyncio.shield(future)

    async def _work(self) -> None:
        while self._asked:
            keys = list(self._asked)[:MAX_BATCH_KEYS]
            futures = {key: self._asked.pop(key) for key in keys}
            try:
                found = await self._fetch(keys)
            except Exception as err:
                for future in futures.values():
                    future.set_exception(err)
                    # A caller that was cancelled takes no answer.
                    future.exception()
            else:
                for key, future in futures.items():
                    future.set_result(found.get(key))
        self._task = None
