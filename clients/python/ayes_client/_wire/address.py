"""Where a server is: one address, however it is written."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit, urlunsplit

#: Path of the socket on every server.
SOCKET_PATH = "/v1/socket"
_PORTS = {"ws": 80, "wss": 443}
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def socket_url(url: str) -> str:
    """The socket's address for a server's: ``https://host`` → ``wss://host/v1/socket``.

    A path before that stays (a proxy may put the server below one). Raises ``ValueError`` for what
    is no such address, and for one that carries a user, a password or a query: a token has no
    place there.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(f"{url!r} is none of http://, https://, ws://, wss:// with a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the address carries a user, a query or a fragment; it may have none")
    path = parts.path.rstrip("/").removesuffix(SOCKET_PATH) + SOCKET_PATH
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, "", ""))


def is_loopback(url: str) -> bool:
    """Whether ``url`` leads to this machine, where no proxy stands between."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def origin(url: str) -> tuple[str, str, int | None]:
    """The scheme, host and port of ``url`` (RFC 6454, 4), the default port filled in."""
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port
