"""Token buckets by owner and key, in bounded memory that no owner can use up."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from server.limits.places import Places
from server.limits.token_bucket import TokenBucket

#: Buckets kept. One that is full again says nothing and is dropped, so that only what was used
#: within the last minute or so counts. Some 500 bytes each: 25 MB at most.
MAX_BUCKETS = 50_000
#: The part of them that one owner may have once all are in use. An owner with more is refused a
#: new one: it can push out nobody's bucket, and least of all its own.
MAX_OWNER_SHARE = 1 / 16
#: Buckets that are looked at for each new one, the longest unseen first; full ones go.
SWEEP_BUCKETS = 4
#: Command ids remembered by one bucket, so that a repeat costs nothing: what one socket may have in
#: flight by default, and so sends again after a reconnect.
MAX_CHARGED_IDS = 256
#: How long an owner waits that has used up its share of the buckets.
FULL_RETRY_DELAY_MS = 1_000


class _Key(NamedTuple):
    owner: str
    name: str


class _Bucket(TokenBucket):
    """A bucket, and the ids that it was charged for."""

    __slots__ = ("ids",)

    def __init__(self, rate: float, burst: float, now: float) -> None:
        super().__init__(rate, burst, now)
        self.ids: dict[str, None] = {}


class Charges:
    """What each owner did under each name: ``burst`` at once, ``rate`` a second after that.

    The clock (seconds) is passed in. Every call takes the same time.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[_Key, _Bucket] = OrderedDict()
        self._owners: Places[_Key] = Places()

    def charge(self, owner: str, name: str, id: str, now: float) -> int:
        """Count command ``id``; 0, or the milliseconds after which it may come again.

        An id that was charged is not charged again. One that was refused costs nothing.
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
        if len(bucket.ids) > min(self._burst, MAX_CHARGED_IDS):
            del bucket.ids[next(iter(bucket.ids))]
        return 0

    def refund(self, owner: str, name: str) -> None:
        """Take the last charge back."""
        bucket = self._buckets.get(_Key(owner, name))
        if bucket is not None:
            bucket.give(1)

    def _new(self, key: _Key, now: float) -> _Bucket | None:
        """A full bucket; ``None`` if its owner has used up its share."""
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
        """Drop full buckets: a few for each new one are more than come."""
        for _ in range(min(SWEEP_BUCKETS, len(self._buckets))):
            key = next(iter(self._buckets))
            if self._buckets[key].has(now, self._burst):
                self._drop(key)
            else:
                self._buckets.move_to_end(key)

    def _drop(self, key: _Key) -> None:
        del self._buckets[key]
        self._owners.leave(key)
