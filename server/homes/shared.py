"""The events that several nodes use, as far as this node knows.

The event's home says so (``uses``). If that is lost, two things show it, which the lane and the
room find anyway: another node has moved the event's row while this node had its state, and another
node has the event's room.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

#: Seconds within which another node must have moved an event twice. Once may be a timer's step, or
#: a member who has moved to another node.
MOVES_WINDOW_S: Final = 60.0
#: Events that are known to be shared, and those that were moved once; beyond that the one that was
#: not used for the longest time is forgotten. Some 20 MB each.
MAX_SHARED: Final = 100_000


class SharedEvents:
    """The events that several nodes use. The caller passes the clock, in seconds."""

    def __init__(self, is_watched_elsewhere: Callable[[str], bool]) -> None:
        """``is_watched_elsewhere``: whether another node has the event's room."""
        self._is_watched_elsewhere = is_watched_elsewhere
        self._moved: OrderedDict[str, float] = OrderedDict()
        """When an event was moved first, by its id."""
        self._shared: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, event: str) -> bool:
        if event in self._shared:
            self._shared.move_to_end(event)
            return True
        return self._is_watched_elsewhere(event)

    def moved(self, event: str, now: float) -> None:
        """Note that another node has moved the event."""
        first = self._moved.get(event)
        if first is None or now - first > MOVES_WINDOW_S:
            _put(self._moved, event, now)
        else:
            _put(self._shared, event, None)

    def share(self, event: str) -> None:
        """Note that the event's home knows of several nodes that use it."""
        _put(self._shared, event, None)

    def is_mine(self, event: str) -> None:
        """Note that no other node moves the event any more."""
        self._shared.pop(event, None)
        self._moved.pop(event, None)


def _put(known: OrderedDict[str, T], event: str, value: T) -> None:
    known[event] = value
    known.move_to_end(event)
    if len(known) > MAX_SHARED:
        known.popitem(last=False)
