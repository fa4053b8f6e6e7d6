"""A rate limit on new sockets, with a part that heavy networks cannot use."""

from __future__ import annotations

from collections import OrderedDict

from server.limits.token_bucket import TokenBucket

#: The share of the rate up to which a network is light; above it is heavy.
LIGHT_SHARE = 1 / 2
#: The share of the bucket that is reserved for light networks. While no other network connects, a
#: heavy one is admitted at the full rate, so a deployment behind one address is back soon.
RESERVED_SHARE = 1 / 4
#: Networks with a bucket. Beyond that the least recently used one is forgotten and light again; an
#: attacker needs more networks than this to profit.
MAX_ADMITTED_NETWORKS = 10_000


class Admissions:
    """Admits new sockets over all networks. The caller passes the clock, in seconds."""

    def __init__(self, per_second: float, now: float) -> None:
        self._bucket = TokenBucket(per_second, per_second, now)
        self._light = per_second * LIGHT_SHARE
        self._reserved = per_second * RESERVED_SHARE
        self._networks: OrderedDict[str, TokenBucket] = OrderedDict()

    def take(self, network: str, now: float) -> bool:
        """Admit and count one socket from ``network``; return ``False`` to refuse it."""
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
