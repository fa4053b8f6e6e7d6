"""Token buckets by owner and name, in bounded memory that no single owner can exhaust."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from server.limits.fair_slots import FairSlots
from server.limits.token_bucket import TokenBucket

#: Buckets in memory, some 500 bytes each. A bucket that is full again is dropped, so only the use
#: of the last minute or so counts. Beyond that, the largest owner loses its oldest bucket.
MAX_BUCKETS = 50_000
#: The part of all buckets that one owner may have once all are in use. An owner with more gets no
#: new bucket, so it cannot push out other owners' buckets, or its own exhausted ones.
MAX_OWNER_SHARE = 1 / 16
#: Buckets that are checked for each new one, and dropped if they are full.
SWEEP_BUCKETS = 4
#: Command ids that one bucket remembers, so that a repeat costs nothing. As many as one socket may
#: have in flight by default, and sends again after a reconnect.
MAX_CHARGED_IDS = 256
#: Milliseconds after which an owner without a free bucket may try again.
FULL_RETRY_DELAY_MS = 1_000


class _Key(NamedTuple):
    owner: str
    name: str


class _Bucket(TokenBucket):
    """A bucket with the command ids that were charged to it."""

    __slots__ = ("ids",)

    def __init__(self, rate: float, burst: float, now: float) -> None:
        super().__init__(rate, burst, now)
        self.ids: dict[str, None] = {}


class RateLimiter:
    """One bucket per owner and name: ``burst`` at once, ``rate`` a second after that.

    A bucket remembers the newest ``ids`` that were charged to it. The caller passes the clock, in
    seconds. Every call takes constant time.
    """

    def __init__(self, rate: float, burst: int, ids: int | None = None) -> None:
        self._rate = rate
        self._burst = burst
        self._ids = min(burst, MAX_CHARGED_IDS if ids is None else ids)
        self._buckets: OrderedDict[_Key, _Bucket] = OrderedDict()
        self._owners: FairSlots[_Key] = FairSlots()

    def charge(self, owner: str, name: str, id: str, now: float) -> int:
        """Charge command ``id``; return 0, or the milliseconds after which it may be sent again.

        An id is charged once. A refused id costs nothing.
        """
        key = _Key(owner, name)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._new(key, now)
            if bucket is None:
                return FULL_RETRY_DELAY_MS
        elif id in bucket.ids:
            return 0
        if not bucket.take(now):
            return bucket.wait_ms()
        bucket.ids[id] = None
        if len(bucket.ids) > self._ids:
            del bucket.ids[next(iter(bucket.ids))]
        return 0

    def refund(self, owner: str, name: str) -> None:
        """Give back the last charge."""
        bucket = self._buckets.get(_Key(owner, name))
        if bucket is not None:
            bucket.give(1)

    def _new(self, key: _Key, now: float) -> _Bucket | None:
        """Make a full bucket; return ``None`` if its owner has used up its share."""
        self._sweep(now)
        if len(self._buckets) >= MAX_BUCKETS:
            mine = self._owners.count(key.owner)
            if mine >= MAX_BUCKETS * MAX_OWNER_SHARE and mine >= self._owners.largest:
                return None
            self._drop(self._owners.oldest_of_largest())
        bucket = self._buckets[key] = _Bucket(self._rate, self._burst, now)
        self._owners.enter(key, key.owner, now)
        return bucket

    def _sweep(self, now: float) -> None:
        """Drop full buckets: several are checked for each new one, so their number shrinks."""
        for _ in range(min(SWEEP_BUCKETS, len(self._buckets))):
            key = next(iter(self._buckets))
            if self._buckets[key].has(now, self._burst):
                self._drop(key)
            else:
                self._buckets.move_to_end(key)

    def _drop(self, key: _Key) -> None:
        del self._buckets[key]
        self._owners.leave(key)
