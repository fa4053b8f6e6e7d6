"""The changes of a room, for readers that may be slow."""

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

    ``patch`` is the JSON merge patch between the two. It is ``None`` if the state came whole; then
    ``reason`` is the server's (``initial``, ``gap``, ``epoch``, ``ahead``, ``lag``, ``role``), or
    ``now`` for the state that a reader begins with.
    """

    from_seq: int
    seq: int
    patch: Json | None
    reason: str | None


class Changes(AsyncIterator[Change]):
    """An iterator over the changes of a room, which begins with the present state.

    For a slow reader, changes merge into one. So a reader holds one patch at most, and is up to
    date with its next step. The iteration ends, or raises the error that ended the client, after
    the last change.
    """

    def __init__(self, first: Change | None) -> None:
        self._next = first
        self._error: AyesError | None = None
        self._ended = False
        self._moved = asyncio.Event()
        self._moved.set()

    def put(self, change: Change) -> None:
        """Add a change; called by the room."""
        waiting = self._next
        if waiting is None or change.patch is None:
            since = change.from_seq if waiting is None else waiting.from_seq
            self._next = Change(since, change.seq, change.patch, change.reason)
        elif waiting.patch is None:
            self._next = Change(waiting.from_seq, change.seq, None, waiting.reason)
        else:
            merged = compose(waiting.patch, change.patch)
            self._next = Change(waiting.from_seq, change.seq, merged, None)
        self._moved.set()

    def end(self, error: AyesError | None) -> None:
        """End the iteration, by raising ``error`` if there is one; called by the room."""
        self._ended, self._error = True, error
        self._moved.set()

    async def __anext__(self) -> Change:
        while self._next is None:
            if self._ended:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._moved.clear()
            await self._moved.wait()
        change, self._next = self._next, None
        return change
