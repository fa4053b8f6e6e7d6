"""What a room's readers are told, and a reader that may be slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from ayes_client._wire.merge_patch import compose
from ayes_client.errors import AyesError
from ayes_client.state import Json


@dataclass(frozen=True, slots=True)
class Change:
    """A room moved from ``from_seq`` to ``seq``.

    ``patch`` is the JSON merge patch that did it; ``None`` where the state came whole, and then
    ``reason`` says why: the server's (``initial``, ``gap``, ``epoch``, ``ahead``, ``lag``,
    ``role``), or ``now`` for the state that a reader begins with.
    """

    from_seq: int
    seq: int
    patch: Json | None
    reason: str | None


class Changes(AsyncIterator[Change]):
    """The changes of a room, for one reader: first the state as it stands, then what moves it.

    A reader that is slower than the room is not sent more and more: what happens meanwhile becomes
    one change. So it holds one patch at most, and is up to date whenever it comes back.
    """

    def __init__(self, first: Change | None) -> None:
        self._next = first
        self._end: AyesError | None = None
        self._ended = False
        self._moved = asyncio.Event()
        self._moved.set()

    def put(self, change: Change) -> None:
        """The room moved."""
        held = self._next
        if held is None or change.patch is None:
            since = change.from_seq if held is None else held.from_seq
            self._next = Change(since, change.seq, change.patch, change.reason)
        elif held.patch is None:
            self._next = Change(held.from_seq, change.seq, None, held.reason)
        else:
            merged = compose(held.patch, change.patch)
            self._next = Change(held.from_seq, change.seq, merged, None)
        self._moved.set()

    def end(self, error: AyesError | None) -> None:
        """Nothing more comes; the reader gets ``error`` where there is one."""
        self._ended, self._end = True, error
        self._moved.set()

    async def __anext__(self) -> Change:
        while self._next is None:
            if self._ended:
                if self._end is not None:
                    raise self._end
                raise StopAsyncIteration
            self._moved.clear()
            await self._moved.wait()
        change, self._next = self._next, None
        return change
