"""The server's address, in any of the forms that people write."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit, urlunsplit

#: Path of the socket on every server.
SOCKET_PATH = "/v1/socket"
#: HTTP statuses of a path below which there is no server, of this server and of most others.
WRONG_PATH = frozenset({403, 404, 405})
#: What to do about them, as the end of a message.
CHECK_PATH = "check the address's path"
_PORTS = {"ws": 80, "wss": 443, "http": 80, "https": 443}
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def socket_url(url: str) -> str:
    """Return the socket's address of a server: ``https://host`` → ``wss://host/v1/socket``.

    A path stays in front (a proxy may put the server below one). Raises ``ValueError`` for another
    scheme, and for a user, a password, a query or a fragment: a token has no place there.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(
            f"{url!r} is not an address: http://, https://, ws:// or wss:// with a host"
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("the address carries a user, a query or a fragment; it may have none")
    path = parts.path.rstrip("/").removesuffix(SOCKET_PATH) + SOCKET_PATH
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, "", ""))


def http_url(socket: str) -> str:
    """Return the server's address for HTTP: ``wss://host/x/v1/socket`` → ``https://host/x``."""
    parts = urlsplit(socket)
    scheme = "https" if parts.scheme == "wss" else "http"
    return urlunsplit((scheme, parts.netloc, parts.path.removesuffix(SOCKET_PATH), "", ""))


def is_loopback(url: str) -> bool:
    """Return whether ``url`` leads to this machine. No proxy is asked for it then."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def origin(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, host and port of ``url`` (RFC 6454, 4), with the default port."""
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme)
    return parts.scheme, parts.hostname or "", port
