"""The proxy on the way to a server: one answer for its WebSocket and for its HTTP."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from ayes_client._wire.address import is_loopback, origin

_SOCKS = ("socks5h", "socks5", "socks4a", "socks4")
_SCHEMES = ("http", "https", *_SOCKS)
#: Variables of the environment that are asked, by the address's scheme, without ``_PROXY``. The
#: special one comes first, as other programs ask them.
_NAMES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "wss": ("wss", "socks", "https", "all"),
        "https": ("socks", "https", "all"),
        "ws": ("ws", "socks", "https", "http", "all"),
        "http": ("socks", "http", "all"),
    }
)


class BadProxy(OSError):
    """The environment names a proxy that is none."""


def proxy_for(url: str) -> str | None:
    """Return the address of the proxy that the environment names for ``url``, if there is one.

    ``NO_PROXY`` names hosts, with or without a port, that are reached directly; this machine always
    is. Raises ``BadProxy`` without the proxy's address, which may have a password.
    """
    scheme, host, port = origin(url)
    if is_loopback(url) or any(map(urllib.request.proxy_bypass, (host, f"{host}:{port}"))):
        return None
    proxies = urllib.request.getproxies()
    name = next((name for name in _NAMES[scheme] if proxies.get(name)), None)
    return None if name is None else _address(name, proxies[name])


def is_socks(proxy: str) -> bool:
    """Return whether ``proxy`` is a SOCKS proxy."""
    return urlsplit(proxy).scheme in _SOCKS


def via(url: str) -> str:
    """Return words for the proxy on the way to ``url``, without its password; ``""`` if none."""
    try:
        proxy = proxy_for(url)
    except BadProxy:
        return ""
    if proxy is None:
        return ""
    _, host, port = origin(proxy)
    return f"through the proxy {host}" if port is None else f"through the proxy {host}:{port}"


def _address(name: str, text: str) -> str:
    """Return ``text`` as an address: many write a proxy without its scheme."""
    # A system's own settings name SOCKS proxies like HTTP ones.
    before = "socks5h" if name == "socks" else "http"
    if "://" not in text:
        text = f"{before}://{text}"
    try:
        parts = urlsplit(text)
        scheme = before if name == "socks" and parts.scheme == "http" else parts.scheme.lower()
        if scheme not in _SCHEMES or not parts.hostname:
            raise ValueError
        address = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        place = address if parts.port is None else f"{address}:{parts.port}"
    except ValueError:
        variable = f"{name.upper()}_PROXY"
        raise BadProxy(f"{variable} is no address of a proxy, such as http://host:3128") from None
    if parts.username is not None:
        # The user and the password stay as they are written, percent signs included.
        user, colon, password = parts.netloc.rpartition("@")[0].partition(":")
        place = f"{quote(user, safe='%')}{colon or ':'}{quote(password, safe='%')}@{place}"
    return urlunsplit((scheme, place, "", "", ""))
