"""Rules about URLs that settings and identity share; nothing here resolves a name or connects."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> str | None:
    """Return the origin of ``url`` as a browser writes it (RFC 6454 6.2), or ``None``.

    A scheme other than http and https (``capacitor://localhost``) is returned unchanged.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        if not parts.scheme or not host or "*" in host:
            return None
        if parts.scheme not in _DEFAULT_PORTS:
            return url
        if not host.isascii():
            host = host.encode("idna").decode()
    except ValueError:
        return None
    if ":" in host:
        host = f"[{host}]"
    shown = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def url_fault(url: str) -> str | None:
    """Return why ``url`` may not be asked for signing keys, or ``None`` if it may.

    The answer decides which tokens are valid. So the URL must be https, or http on loopback.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises if the port is not a number
    except ValueError:
        return "is no URL"
    if not (url.isascii() and url.isprintable()) or " " in url or not parts.hostname:
        return "is no URL"
    if parts.username is not None or parts.password is not None:
        return "must carry no user and no password"
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname)):
        return None
    return "must begin with https:// (http:// only on loopback)"


def is_loopback(host: str) -> bool:
    """Return whether ``host`` names this machine, without asking a name server."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
