"""Which addresses count as one: an IPv4 address alone, an IPv6 address with all of its /64."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

#: Bits of an IPv6 address that one customer has to themselves at least (RFC 6177): one machine
#: takes as many of the 2**64 addresses behind them as it likes.
NETWORK_BITS = 64
#: Addresses whose network is remembered, least recently used first out: parsing one takes some
#: 5 µs, as much as a tenth of a handshake.
MAX_REMEMBERED_ADDRESSES = 4_096


@lru_cache(MAX_REMEMBERED_ADDRESSES)
def network_of(address: str) -> str:
    """The network of ``address``; a text that is not an IP address is its own network.

    An IPv4-mapped address (``::ffff:192.0.2.1``) counts as its IPv4 address.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, NETWORK_BITS), strict=False))
