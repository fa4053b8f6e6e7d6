"""Places that are shared by groups: when all are taken, the largest group gives one up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

H = TypeVar("H", bound=Hashable)

#: Seconds for which a place is safe from newcomers of a group that has as many. A hello comes a
#: round trip after the accept, and later from a crowd of clients that all reconnect: those that
#: came first would be closed for those that came last. Shorter than ``hello_seconds``, so that
#: silent sockets keep nobody out who shares their address.
PLACE_GRACE_TTL_S = 3.0


class Places(Generic[H]):
    """Who holds a place, by group (a network, a user). The clock (seconds) is passed in.

    It holds one entry per place taken, so its memory is bounded by the number of places. Every
    call takes the same time, however many places and groups there are.
    """

    def __init__(self) -> None:
        self._group_of: dict[H, str] = {}
        self._groups: dict[str, OrderedDict[H, float]] = {}
        self._by_size: dict[int, OrderedDict[str, None]] = {}
        self._largest = 0

    def __len__(self) -> int:
        return len(self._group_of)

    def __contains__(self, holder: H) -> bool:
        return holder in self._group_of

    def count(self, group: str) -> int:
        """The places that ``group`` has."""
        return len(self._groups.get(group, ()))

    def enter(self, holder: H, group: str, now: float) -> None:
        """Give ``holder`` a place; it has none yet."""
        assert holder not in self._group_of
        self._group_of[holder] = group
        holders = self._groups.setdefault(group, OrderedDict())
        holders[holder] = now
        self._resized(group, len(holders) - 1, len(holders))

    def leave(self, holder: H) -> None:
        """Free the place of ``holder``, if it has one."""
        group = self._group_of.pop(holder, None)
        if group is None:
            return
        holders = self._groups[group]
        del holders[holder]
        if not holders:
            del self._groups[group]
        self._resized(group, len(holders) + 1, len(holders))

    def one_to_give_way(self, group: str, now: float) -> H | None:
        """The holder that gives its place to a newcomer of ``group``; ``None``: nobody does.

        It is the oldest holder of the largest group. If that group would then have fewer places
        than the newcomer's, the oldest holder must have had its place for ``PLACE_GRACE_TTL_S``.
        So the last clients of a reconnect storm do not push out the first ones.
        """
        if not self._largest:
            return None
        own = self.count(group)
        # One's own group comes first where several are the largest.
        oldest = (
            next(iter(self._groups[group])) if own == self._largest else self.oldest_of_largest()
        )
        since = self._groups[self._group_of[oldest]][oldest]
        return oldest if self._largest > own + 1 or now - since >= PLACE_GRACE_TTL_S else None

    @property
    def largest(self) -> int:
        """The places that the largest group has."""
        return self._largest

    def oldest_of_largest(self) -> H:
        """Who has been longest in a largest group; there must be one."""
        group = next(iter(self._by_size[self._largest]))
        return next(iter(self._groups[group]))

    def _resized(self, group: str, before: int, after: int) -> None:
        if before:
            of_size = self._by_size[before]
            del of_size[group]
            if not of_size:
                del self._by_size[before]
        if after:
            self._by_size.setdefault(after, OrderedDict())[group] = None
        # One place at a time: the largest size moves by one at most.
        if after > self._largest or (before == self._largest and before not in self._by_size):
            self._largest = after
