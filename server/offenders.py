"""Addresses whose sockets broke the rules a moment ago: they come in one by one.

Whoever was closed for a flood and is back at once costs a handshake each time, far more than what
the flood itself may. Nobody is kept out: those behind one address with such a one wait for their
turn, and only while it goes on.
"""

from __future__ import annotations

from collections import OrderedDict

#: Seconds that an address is remembered.
REMEMBERED_S = 10.0
#: What part of ``admissions_per_second`` all such addresses have together: a tenth of a processor
#: or so, by the default.
SHARE = 1 / 20
#: Longest that one waits for its turn, in seconds, well before its handshake would be aborted
#: (``handshake_s``); with more before it, it is refused like one too many.
LONGEST_WAIT_S = 3.0
#: Addresses remembered, the longest known going first.
MOST_REMEMBERED = 10_000


class Offenders:
    """Who broke the rules, and whose turn it is. The clock (seconds) is passed in."""

    def __init__(self, admissions_per_second: float) -> None:
        self._apart = 1 / (admissions_per_second * SHARE)
        self._until: OrderedDict[str, float] = OrderedDict()
        self._next = 0.0

    def note(self, address: str, now: float) -> None:
        """A socket from ``address`` was closed over a violation."""
        self._until[address] = now + REMEMBERED_S
        self._until.move_to_end(address)
        if len(self._until) > MOST_REMEMBERED:
            self._until.popitem(last=False)

    def wait(self, address: str, now: float) -> float | None:
        """Seconds until a new socket from ``address`` is taken in; ``None``: too many wait."""
        until = self._until.get(address)
        if until is None:
            return 0.0
        if until < now:
            del self._until[address]
            return 0.0
        turn = max(now, self._next)
        if turn > now + LONGEST_WAIT_S:
            return None
        self._next = turn + self._apart
        return turn - now
