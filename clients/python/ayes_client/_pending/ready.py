"""The commands that may be sent, the oldest first, and their events' turns."""

from __future__ import annotations

import heapq
from collections import Counter

from ayes_client._pending.entry import Entry, EntryState


class ReadyCommands:
    """A heap of ready entries. An entry whose state has changed since is skipped.

    An entry is set aside while another command of its event is in flight, if the connection keeps
    no order itself. The end of that command brings the oldest one back.
    """

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._aside: dict[str | None, list[Entry]] = {}
        self._in_flight: Counter[str | None] = Counter()

    def push(self, entry: Entry) -> None:
        """Add an entry that became ready."""
        heapq.heappush(self._heap, entry)

    def first(self, *, one_per_event: bool = False) -> Entry | None:
        """Return the oldest ready entry. ``one_per_event``: only of an event with none in flight.

        The commands without an event count as those of one.
        """
        while self._heap:
            entry = self._heap[0]
            event = entry.command.event
            if entry.state is not EntryState.READY:
                heapq.heappop(self._heap)
                self._bring_back(event)
            elif one_per_event and self._in_flight[event]:
                heapq.heappop(self._heap)
                heapq.heappush(self._aside.setdefault(event, []), entry)
            else:
                return entry
        return None

    def taken(self, entry: Entry) -> None:
        """Count ``entry`` as in flight."""
        self._in_flight[entry.command.event] += 1

    def landed(self, entry: Entry) -> None:
        """Count ``entry`` as in flight no longer."""
        event = entry.command.event
        self._in_flight[event] -= 1
        if not self._in_flight[event]:
            del self._in_flight[event]
            self._bring_back(event)

    def forget_turns(self) -> None:
        """Bring back all that was set aside: the next connection may keep the order itself."""
        for entries in self._aside.values():
            for entry in entries:
                heapq.heappush(self._heap, entry)
        self._aside.clear()

    def clear(self) -> None:
        """Drop all of them."""
        self._heap.clear()
        self._aside.clear()

    def _bring_back(self, event: str | None) -> None:
        if event in self._in_flight or (aside := self._aside.get(event)) is None:
            return
        heapq.heappush(self._heap, heapq.heappop(aside))
        if not aside:
            del self._aside[event]
