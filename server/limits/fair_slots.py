"""Slots shared by groups: if all are taken, the largest group gives one up."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

H = TypeVar("H", bound=Hashable)

#: Seconds for which a slot is safe from newcomers of a group of about the same size. A hello comes
#: a round trip after the accept, and later in a reconnect storm; without this, the last clients
#: would push out the first ones. Shorter than ``hello_seconds``, so that silent sockets do not keep
#: out other clients of their address.
SLOT_GRACE_TTL_S = 3.0


class FairSlots(Generic[H]):
    """The holders of slots, by group (a network, a user).

    The caller passes the clock, in seconds. Memory is one entry per taken slot. Every call takes
    constant time, whatever the number of slots and groups.
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
        """Return the number of slots that ``group`` has."""
        return len(self._groups.get(group, ()))

    def enter(self, holder: H, group: str, now: float) -> None:
        """Give ``holder`` a place; it must not have one."""
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
        """Return the holder that yields to a newcomer of ``group``, or ``None``.

        It is the oldest holder of the largest group. If that group would then have fewer slots
        than the newcomer's, the oldest holder must have had its slot for ``SLOT_GRACE_TTL_S``.
        So the last clients of a reconnect storm do not push out the first ones.
        """
        if not self._largest:
            return None
        own = self.count(group)
        # If several groups are the largest, the newcomer's own group yields.
        oldest = (
            next(iter(self._groups[group])) if own == self._largest else self.oldest_of_largest()
        )
        since = self._groups[self._group_of[oldest]][oldest]
        return oldest if self._largest > own + 1 or now - since >= SLOT_GRACE_TTL_S else None

    @property
    def largest(self) -> int:
        """The number of slots that the largest group has."""
        return self._largest

    def oldest_of_largest(self) -> H:
        """Return the oldest holder of a largest group; there must be one."""
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
