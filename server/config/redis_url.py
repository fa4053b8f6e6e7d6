"""Parses and checks ``AYES_REDIS_URL``.

``redis://``, ``rediss://`` (TLS) and ``unix://`` name one server; ``redis+cluster://`` and
``rediss+cluster://`` name some servers of a cluster, separated by commas. Password, database number
and TLS options have the places that redis-py expects:
``rediss://user:password@host:6379/2?ssl_ca_certs=…``.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit

DEFAULT_PORT = 6379
_CLUSTER = "+cluster"
_SCHEMES = ("redis", "rediss", "unix", "redis" + _CLUSTER, "rediss" + _CLUSTER)


class Address(NamedTuple):
    """Host and port of a server."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def fault_in(url: str) -> str | None:
    """Return what is wrong with ``url``, as the end of a sentence, or ``None``."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        return "must begin with redis://, rediss://, unix://, redis+cluster:// or rediss+cluster://"
    try:
        addresses = addresses_of(url) if parts.scheme != "unix" else []
    except ValueError:
        return "names a port that is no number"
    if not is_cluster(url):
        return "names several servers, and is no redis+cluster://" if len(addresses) > 1 else None
    if not all(address.host for address in addresses):
        return "names no host"
    if parts.path not in ("", "/", "/0"):
        return "names a database, and a cluster has only 0"
    return None


def is_cluster(url: str) -> bool:
    """Return whether ``url`` names servers of a cluster."""
    return urlsplit(url).scheme.endswith(_CLUSTER)


def addresses_of(url: str) -> list[Address]:
    """Return the servers that ``url`` names. Raises ``ValueError`` if a port is not a number."""
    hosts = urlsplit(url).netloc.rpartition("@")[2]
    return [_address(host) for host in hosts.split(",")]


def _address(text: str) -> Address:
    parts = SplitResult("redis", text, "", "", "")
    return Address(parts.hostname or "", parts.port or DEFAULT_PORT)


def url_of(cluster: str, address: Address) -> str:
    """Return the URL of one server of ``cluster``, with its scheme, password and options."""
    parts = urlsplit(cluster)
    user, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(
        parts._replace(
            scheme=parts.scheme.removesuffix(_CLUSTER), netloc=f"{user}{at}{address}", path="/0"
        )
    )


def shown(url: str) -> str:
    """Return ``url`` without its secrets, for the log."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else parts.netloc.rpartition("@")[2]
