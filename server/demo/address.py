"""The address at which a server can be reached, from a given or announced one."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from server.demo.failure import DemoError

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Wildcard addresses to listen on, and the loopback address that reaches them.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to be replaced, not bound
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def reachable(url: str) -> str:
    """Return ``url`` with an address to connect to. Raises ``DemoError`` if it is no URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme not in _SCHEMES:
        raise DemoError(f"{url!r} is no address of a server; http://127.0.0.1:8400 is one")
    host = _EVERYWHERE.get(host, host)
    netloc = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=f"{netloc}:{port}" if port else netloc))


def socket_url(url: str) -> str:
    """Return the address of the WebSocket of the server at ``url``."""
    parts = urlsplit(reachable(url))
    path = parts.path.rstrip("/").removesuffix("/v1/socket")
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, f"{path}/v1/socket", "", ""))


def is_loopback(url: str) -> bool:
    """Return whether ``url`` is on this machine, and needs no proxy."""
    return urlsplit(url).hostname in _LOOPBACK
