"""The unit in which addresses are limited: one IPv4 address, or an IPv6 /64."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

#: Bits of an IPv6 address that name a network. One customer gets at least a /64 (RFC 6177), so one
#: machine can use any of the 2**64 addresses in it.
NETWORK_BITS = 64
#: Addresses whose network is cached, the least recently used one going first. Parsing an address
#: costs a tenth of a handshake.
MAX_REMEMBERED_ADDRESSES = 4_096


@lru_cache(MAX_REMEMBERED_ADDRESSES)
def network_of(address: str) -> str:
    """Return the network of ``address``; a text that is not an IP address is its own network.

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
