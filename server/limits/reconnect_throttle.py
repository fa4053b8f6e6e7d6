"""Spaces out new sockets from networks whose sockets violated the protocol a moment ago.

A client that reconnects at once after a close costs a handshake each time, far more than its
messages may. No network is refused for good: its new sockets are delayed, until it has been quiet
for ``OFFENDER_TTL_S``. One network's delay never depends on another network's queue.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from server.limits.addresses import network_of
from server.limits.token_bucket import TokenBucket

#: Seconds since its last violation for which a network is throttled.
OFFENDER_TTL_S = 10.0
#: The part of ``admissions_per_second`` that all throttled networks have together. By default it
#: costs about a tenth of a processor.
OFFENDER_SHARE = 1 / 20
#: Seconds between two sockets of one network at most, however many networks are throttled. So the
#: other clients behind that address still get in.
MAX_ADMISSION_INTERVAL_S = 1.0
#: Seconds that a new socket is delayed at most; one that would wait longer is refused. Well below
#: ``handshake_timeout_s``, after which its handshake would be aborted.
MAX_ADMISSION_DELAY_S = 3.0
#: Networks remembered. Beyond that the one with the oldest violation is forgotten.
MAX_OFFENDERS = 10_000
#: Sockets of one network that may end at once without a hello; further ones are violations. Above
#: what a company behind one address causes after a deployment, with pages closed while they load.
UNAUTHENTICATED_BURST = 128
#: The same per second. A client that keeps opening silent sockets soon exceeds it.
UNAUTHENTICATED_PER_SECOND = 1.0


@dataclass(slots=True)
class _Offender:
    """The end of a network's throttling, and the moment for its next socket."""

    until: float
    next: float = 0.0


class ReconnectThrottle:
    """The throttled networks. The caller passes the clock, in seconds."""

    def __init__(self, admissions_per_second: float) -> None:
        self._interval = 1 / (admissions_per_second * OFFENDER_SHARE)
        self._known: OrderedDict[str, _Offender] = OrderedDict()
        """By network, the oldest violation first."""
        self._unauthenticated: OrderedDict[str, TokenBucket] = OrderedDict()
        """Buckets of sockets that ended without a hello, by network, least recently used first."""

    def record_violation(self, address: str, now: float) -> None:
        """Throttle the network of ``address``: a socket was closed over a violation."""
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
        """Count a socket that ended without a hello; too many are a violation."""
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
        """Count a socket that authenticated; it makes up for one that ended without a hello.

        So many clients behind one address, some of which give up, are no violation.
        """
        bucket = self._unauthenticated.get(network_of(address))
        if bucket is not None:
            bucket.give(1)

    def delay(self, address: str, now: float) -> float | None:
        """Return the seconds to delay a new socket, or ``None`` to refuse it."""
        self._forget(now)
        known = self._known.get(network_of(address))
        if known is None:
            return 0.0
        turn = max(now, known.next)
        if turn > now + MAX_ADMISSION_DELAY_S:
            return None
        # An equal interval for each network, not one queue: else one network takes every slot.
        known.next = turn + max(
            self._interval, min(self._interval * len(self._known), MAX_ADMISSION_INTERVAL_S)
        )
        return turn - now

    def _forget(self, now: float) -> None:
        """Drop networks without a violation for ``OFFENDER_TTL_S``; they come first."""
        while self._known:
            network = next(iter(self._known))
            if self._known[network].until >= now:
                return
            del self._known[network]
