"""A room's snapshot, encoded a little at a time while the room goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import orjson

from handlers.audiences import COLLECTIONS

#: Bytes encoded between two awaits, about a tenth of a millisecond.
MAX_RENDER_SLICE_BYTES = 65_536
#: Entries that are encoded again in one go at the end, because they changed meanwhile.
MAX_CHANGED_ENTRIES = 64

_COLLECTIONS = frozenset((*COLLECTIONS, "requests"))

#: ``state`` for some audience, as it is now.
State: TypeAlias = Callable[[], dict[str, Any]]


class Rendering:
    """Encodes ``state()``, which may change between two slices if ``changed`` is called for it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._entries: dict[tuple[str, str], bytes] = {}
        self._changed: dict[tuple[str, str], None] = {}

    def changed(self, patch: dict[str, Any]) -> None:
        """``patch`` was merged into the state."""
        self._changed.update(dict.fromkeys(_keys(patch)))

    def start_over(self) -> None:
        """The state is another one."""
        self._entries.clear()
        self._changed = dict.fromkeys(_keys(self._state()))

    async def run(self) -> bytes:
        """The state as it is when this returns, encoded."""
        self.start_over()
        while len(self._changed) > MAX_CHANGED_ENTRIES:
            self._encode(MAX_RENDER_SLICE_BYTES)
            await asyncio.sleep(0)
        self._encode()
        return self._joined()

    def _encode(self, most: int | None = None) -> None:
        """Encode what has changed, until ``most`` bytes are made."""
        state, made = self._state(), 0
        while self._changed and (most is None or made < most):
            key = name, id = self._changed.popitem()[0]
            entry = state[name].get(id)
            if entry is None:
                self._entries.pop(key, None)
            else:
                encoded = self._entries[key] = orjson.dumps(entry)
                made += len(encoded)

    def _joined(self) -> bytes:
        parts: list[bytes] = []
        for name, value in self._state().items():
            parts += (b",", orjson.dumps(name), b":")
            if name not in _COLLECTIONS:
                parts.append(orjson.dumps(value))
                continue
            entries: list[bytes] = []
            for id in value:
                entries += (b",", orjson.dumps(id), b":", self._entries[name, id])
            entries[:1] = [b"{"]
            parts += (*entries, b"}")
        parts[:1] = [b"{"]
        return b"".join((*parts, b"}"))


def _keys(patch: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in patch.items():
        if name in _COLLECTIONS and value:
            for id in value:
                yield name, id
