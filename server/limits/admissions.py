"""How fast new sockets come in: one rate for all, of which no network takes the last part."""

from __future__ import annotations

from collections import OrderedDict

from server.limits.token_bucket import TokenBucket

#: The share of the rate that one network may use without being heavy.
LIGHT_SHARE = 1 / 2
#: The share of the bucket that is kept for networks that are not heavy. A heavy one is admitted at
#: the full rate while nobody else comes, so that a deployment behind one address is back soon.
RESERVED_SHARE = 1 / 4
#: Networks whose use is remembered, least recently used first out; one that was forgotten is light
#: again, so that an attacker needs more networks than this to profit.
MAX_ADMITTED_NETWORKS = 10_000


class Admissions:
    """New sockets a second, over all networks. The clock (seconds) is passed in."""

    def __init__(self, per_second: float, now: float) -> None:
        self._bucket = TokenBucket(per_second, per_second, now)
        self._light = per_second * LIGHT_SHARE
        self._reserved = per_second * RESERVED_SHARE
        self._networks: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, network: str, now: float) -> bool:
        """Whether one more from ``network`` is admitted; if so, it is counted."""
        own = self._networks.get(network)
        if own is None:
            own = self._networks[network] = TokenBucket(self._light, self._light, now)
            if len(self._networks) > MAX_ADMITTED_NETWORKS:
                self._networks.popitem(last=False)
        else:
            self._networks.move_to_end(network)
        is_heavy = not own.take(now)
        if is_heavy and not self._bucket.has(now, self._reserved + 1):
            return False
        return self._bucket.take(now)
