"""Encodes a room's snapshot in slices, while the room continues to change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import orjson

from handlers.audiences import COLLECTIONS, FOR_ADMINS
from protocol import answers

#: Bytes encoded in one iteration of the loop, about a tenth of a millisecond.
MAX_RENDER_SLICE_BYTES = 65_536
#: Changed entries that the last slice may encode again; with more, another slice comes first.
MAX_CHANGED_ENTRIES = 64

_COLLECTIONS = frozenset((*COLLECTIONS, *FOR_ADMINS))

#: Returns ``state`` for one audience, as it is now.
State: TypeAlias = Callable[[], dict[str, Any]]


class Rendering:
    """Encodes ``state()``. If it changes between two slices, ``changed`` must be called."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._entries: dict[tuple[str, str], bytes] = {}
        self._changed: dict[tuple[str, str], None] = {}

    def changed(self, patch: dict[str, Any]) -> None:
        """Encode again the entries of a patch that was merged into the state."""
        self._changed.update(dict.fromkeys(_keys(patch)))

    def start_over(self) -> None:
        """Encode all again: the state was replaced."""
        self._entries.clear()
        self._changed = dict.fromkeys(_keys(self._state()))

    async def run(self) -> bytes:
        """Return the encoded state, as it is when this returns."""
        self.start_over()
        while len(self._changed) > MAX_CHANGED_ENTRIES:
            self._encode(MAX_RENDER_SLICE_BYTES)
            await asyncio.sleep(0)
        self._encode()
        return self._joined()

    def _encode(self, most: int | None = None) -> None:
        """Encode changed entries, up to about ``most`` bytes."""
        state, made = self._state(), 0
        while self._changed and (most is None or made < most):
            key = name, id = self._changed.popitem()[0]
            entry = state[name].get(id)
            if entry is None:
                self._entries.pop(key, None)
            else:
                encoded = self._entries[key] = answers.encode_kept(entry)
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
