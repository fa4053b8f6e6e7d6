"""The nodes that use an event: they name it to its home, and the home names it to them.

A node that gives a command to an event names the event to its home, and again while it goes on. A
home that hears of a second node names the event to both, and they forward from then on. It takes
two short letters, no look at the database, and no command that meets another node's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from server.homes.routes import USE_TTL_S, Route

#: Seconds after which a node names an event to its home again: two in a row may be lost.
USE_INTERVAL_S: Final = USE_TTL_S / 3
#: Events that one letter names of each kind; the rest goes with the next. 200 KB.
MAX_NAMED: Final = 5_000
#: Events that wait for a letter to one node, beyond which no more are named. Their nodes find out
#: when they take the event's row from each other.
MAX_UNNAMED: Final = 20_000


class Uses:
    """The events that this node and the others name to each other.

    The caller passes the clock, in seconds.
    """

    def __init__(
        self, node: str, post: Callable[[str], None], share: Callable[[str], None]
    ) -> None:
        """``post(other)`` has a letter written; ``share(event)``: several nodes use an event."""
        self._node = node
        self._post = post
        self._share = share
        self._used: dict[str, dict[str, None]] = {}
        """The events at home at a node that this one uses, until a letter names them."""
        self._shared: dict[str, dict[str, None]] = {}
        """The events that several nodes use, until a letter to one of them names them."""

    def use(self, route: Route, node: str, now: float) -> None:
        """Note that ``node`` uses an event; let it know of others, and one that seemed alone."""
        if not route.use(node, now):
            return
        others = route.users_beside(node, now)
        if others:
            self._inform(node, route.event)
        if len(others) == 1:
            self._inform(others[0], route.event)

    def _inform(self, node: str, event: str) -> None:
        if node == self._node:
            self._share(event)
        else:
            self._name(self._shared, node, event)

    def report(self, route: Route, now: float) -> None:
        """Name the event to its home, which has not heard of it lately."""
        home = route.home
        if home is not None and home != self._node and now >= route.reports_from:
            route.reports_from = now + USE_INTERVAL_S
            self._name(self._used, home, route.event)

    def _name(self, names: dict[str, dict[str, None]], node: str, event: str) -> None:
        named = names.setdefault(node, {})
        if len(named) < MAX_UNNAMED:
            named[event] = None
            self._post(node)

    def take(self, node: str) -> tuple[list[str], list[str]]:
        """Return what the next letter to ``node`` names: events used here, and shared ones.

        At most ``MAX_NAMED`` of each.
        """
        return self._take(self._used, node), self._take(self._shared, node)

    def _take(self, names: dict[str, dict[str, None]], node: str) -> list[str]:
        named = names.pop(node, None)
        if named is None:
            return []
        events = list(named)
        if len(events) > MAX_NAMED:
            names[node] = dict.fromkeys(events[MAX_NAMED:])
            self._post(node)
        return events[:MAX_NAMED]

    def forget(self, lives: Callable[[str], bool]) -> None:
        """Forget what waits for nodes that are gone."""
        for names in (self._used, self._shared):
            for node in [node for node in names if not lives(node)]:
                del names[node]
