"""Which pages may open a socket here (RFC 6455 10.2): those on a list, exactly."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from server.config.urls import origin_of

if TYPE_CHECKING:
    from starlette.types import Scope

    from server.config.settings import Settings

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
#: Listened on, these are every address of the machine, and no page's own.
_ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - not listened on here


def origin_allowed(origin: str | None, scope: Scope, settings: Settings) -> bool:
    """Whether a page of ``origin`` may connect.

    No browser leaves ``Origin`` out, so a request without it is none. Otherwise it must be the
    server's own address (as it listens, or its public one) or on the list, exactly: what the
    client sends is compared as it is, only what the operator wrote is brought into the form that
    browsers send.
    """
    if origin is None:
        return True
    server = scope.get("server")
    port = server[1] if server else settings.port
    return origin in _allowed(settings.allowed_origins, settings.public_url, settings.host, port)


def own_origins(scope: Scope, settings: Settings) -> frozenset[str]:
    """The origins that are this server's own: where it listens, and its public address."""
    server = scope.get("server")
    return _own(settings.public_url, settings.host, server[1] if server else settings.port)


@functools.lru_cache(maxsize=64)
def _allowed(
    listed: tuple[str, ...], public_url: str | None, host: str, port: int
) -> frozenset[str]:
    return _own(public_url, host, port) | _origins(listed)


@functools.lru_cache(maxsize=64)
def _own(public_url: str | None, host: str, port: int) -> frozenset[str]:
    hosts = {host.lower()} - _ANY
    if hosts & _LOOPBACK:
        hosts |= _LOOPBACK
    listening = [f"http://{f'[{name}]' if ':' in name else name}:{port}" for name in hosts]
    return _origins([*listening, *([public_url] if public_url else [])])


def _origins(urls: Iterable[str]) -> frozenset[str]:
    return frozenset(origin for url in urls if (origin := origin_of(url)) is not None)
