"""A cache of answers to ``event.preview_policy``, valid while they cannot have changed."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

#: Bytes of cached answers and their keys; beyond that the least recently used one is dropped. An
#: answer has some 20 bytes for each proposal that it names.
MAX_PREVIEW_BYTES = 1024 * 1024

#: Event, epoch, seq, and the encoded policy.
Key: TypeAlias = tuple[str, str, int, bytes]


class _Kept(NamedTuple):
    accepted: list[str]
    until: float
    """The time from which the clock alone may change the answer."""
    size: int


class Previews:
    """The proposals that a policy would accept, by event, position and policy.

    ``clock`` returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0

    def find(self, key: Key) -> list[str] | None:
        """Return the cached answer if it is still valid."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._clock():
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return kept.accepted

    def keep(self, key: Key, accepted: list[str], seconds: float) -> None:
        """Cache an answer that stays valid for ``seconds``, unless the event changes."""
        self._forget(key)
        event, epoch, _, policy = key
        size = sum(map(len, (event, epoch, policy, *accepted)))
        if size > MAX_PREVIEW_BYTES:
            return
        self._kept[key] = _Kept(accepted, self._clock() + seconds, size)
        self._bytes += size
        while self._bytes > MAX_PREVIEW_BYTES:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= kept.size
