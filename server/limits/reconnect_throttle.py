"""Networks whose sockets broke the rules a moment ago: their new sockets come in one by one.

A client that was closed for a flood and is back at once costs a handshake each time, far more than
the flood itself may. No network is kept out: its sockets wait for their turn, and only while it
goes on. Networks wait for their own turns, never for those of another.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from server.limits.addresses import network_of
from server.limits.token_bucket import TokenBucket

#: Seconds that a network is remembered.
OFFENDER_TTL_S = 10.0
#: What part of ``admissions_per_second`` all such networks have together: a tenth of a processor
#: or so, by the default.
OFFENDER_SHARE = 1 / 20
#: Longest time between two turns of one network, in seconds, however many networks there are: the
#: people behind an offending address get in, at last.
MAX_ADMISSION_INTERVAL_S = 1.0
#: Longest that one waits for its turn, in seconds, well before its handshake would be aborted
#: (``handshake_timeout_s``); with more before it, it is refused like one too many.
MAX_ADMISSION_DELAY_S = 3.0
#: Networks remembered, the longest known going first.
MAX_OFFENDERS = 10_000
#: Sockets of one network that may end, at once, without having said who they are; the next ones
#: are an offence. Pages that are closed while they load, and clients that gave up, stay below: a
#: company behind one address, after a deployment, too.
UNAUTHENTICATED_BURST = 128
#: The same a second. A client that opens silent sockets all the time soon exceeds it.
UNAUTHENTICATED_PER_SECOND = 1.0


@dataclass(slots=True)
class _Offender:
    """Until when a network is remembered, and when its next socket is taken in."""

    until: float
    next: float = 0.0


class ReconnectThrottle:
    """Who broke the rules, and whose turn it is. The clock (seconds) is passed in."""

    def __init__(self, admissions_per_second: float) -> None:
        self._interval = 1 / (admissions_per_second * OFFENDER_SHARE)
        self._known: OrderedDict[str, _Offender] = OrderedDict()
        """By network, the longest known first."""
        self._unauthenticated: OrderedDict[str, TokenBucket] = OrderedDict()
        """By network, least recently used first."""

    def record_violation(self, address: str, now: float) -> None:
        """A socket from ``address`` was closed over a violation."""
        self._forget(now)
        network = network_of(address)
        known = self._known.get(network)
        if known is None:
            self._known[network] = _Offender(now + OFFENDER_TTL_S)
            if len(self._known) > MAX_OFFENDERS:
                self._known.popitem(last=False)
        else:
            known.until = now + OFFENDER_TTL_S
            self._known.move_to_end(network)

    def record_unauthenticated(self, address: str, now: float) -> None:
        """A socket from ``address`` ended and had not said who it is: an offence if many do."""
        network = network_of(address)
        bucket = self._unauthenticated.get(network)
        if bucket is None:
            bucket = TokenBucket(UNAUTHENTICATED_PER_SECOND, UNAUTHENTICATED_BURST, now)
            self._unauthenticated[network] = bucket
            if len(self._unauthenticated) > MAX_OFFENDERS:
                self._unauthenticated.popitem(last=False)
        else:
            self._unauthenticated.move_to_end(network)
        if not bucket.take(now):
            self.record_violation(address, now)

    def record_authenticated(self, address: str) -> None:
        """A socket from ``address`` said who it is, which makes up for one that did not.

        So a crowd behind one address, some of whose clients give up, is no offence.
        """
        bucket = self._unauthenticated.get(network_of(address))
        if bucket is not None:
            bucket.give(1)

    def delay(self, address: str, now: float) -> float | None:
        """Seconds until a new socket from ``address`` is taken in; ``None``: too many wait."""
        self._forget(now)
        known = self._known.get(network_of(address))
        if known is None:
            return 0.0
        turn = max(now, known.next)
        if turn > now + MAX_ADMISSION_DELAY_S:
            return None
        # The turns are shared out evenly, not queued for: else one network takes all of them.
        known.next = turn + max(
            self._interval, min(self._interval * len(self._known), MAX_ADMISSION_INTERVAL_S)
        )
        return turn - now

    def _forget(self, now: float) -> None:
        """Drop the networks that were quiet for ``OFFENDER_TTL_S``: they are the first ones."""
        while self._known:
            network = next(iter(self._known))
            if self._known[network].until >= now:
                return
            del self._known[network]
