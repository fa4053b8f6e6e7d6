"""Checks the origin of pages that open a socket (RFC 6455 10.2)."""

from __future__ import annotations

import functools
import ipaddress
import logging
import re
import socket
from collections.abc import Iterable
from typing import TYPE_CHECKING

from server.config.urls import origin_of
from server.identity.log_throttle import LogThrottle

if TYPE_CHECKING:
    from starlette.types import Scope

    from server.config.settings import Settings

log = logging.getLogger("ayes.origins")

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9.-]+))(?::[0-9]{1,5})?")
#: An origin that may stand in the log. Its labels are DNS labels of at most 63 characters, so that
#: a token which a client sends as an origin is not logged.
_LOGGED = re.compile(
    r"[a-z][a-z0-9+.-]{0,31}://(?:\[[0-9a-f:.]{2,45}\]|[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,9})"
    r"(?::[0-9]{1,5})?",
    re.IGNORECASE,
)
#: Wildcards to listen on all addresses; they are not the origin of any page.
_ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - not listened on here


class Origins:
    """Decides which origins may connect; counts and logs those that may not."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._throttle = LogThrottle()
        self.refused = 0
        """Refused requests of other origins' pages, by WebSocket or HTTP."""

    def allow(self, origin: str | None, scope: Scope) -> bool:
        """Return whether a page of ``origin`` may connect; count and log one that may not.

        Every browser sends ``Origin``, so a request without it comes from no page, and is allowed.
        Otherwise the origin must be the server's own, or on the list. It is compared exactly as
        sent; only the operator's entries are normalised.
        """
        if origin is None or origin in self._listed(scope) or origin == self._host_origin(scope):
            return True
        self.refused += 1
        if _LOGGED.fullmatch(origin) is None:
            if self._throttle.permits(""):
                log.warning("a request whose Origin header is not an origin was refused")
        elif self._throttle.permits(origin):
            log.warning(
                "a page of %s was refused; AYES_ALLOWED_ORIGINS=%s would let it in", origin, origin
            )
        return False

    def own(self, scope: Scope) -> frozenset[str]:
        """Return the origins that are this server's own, as a request came in."""
        settings = self._settings
        own = _own(settings.public_url, settings.host, _port(scope, settings))
        asked = self._host_origin(scope)
        return own if asked is None else own | {asked}

    def _listed(self, scope: Scope) -> frozenset[str]:
        settings = self._settings
        port = _port(scope, settings)
        return _allowed(settings.allowed_origins, settings.public_url, settings.host, port)

    def _host_origin(self, scope: Scope) -> str | None:
        """Return the origin of the request's own ``Host``, if no foreign DNS name can lead here.

        Only if the server listens on all addresses and has no public one. An IP address,
        ``localhost`` and this machine's own name cannot be pointed here by foreign DNS.
        """
        settings = self._settings
        if settings.public_url is not None or settings.host.lower() not in _ANY:
            return None
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1:
            return None
        host = hosts[0].decode("latin-1")
        return f"http://{host}" if _is_of_this_machine(_without_port(host)) else None


def _port(scope: Scope, settings: Settings) -> int:
    server = scope.get("server")
    port: int = server[1] if server else settings.port
    return port


def _without_port(host: str) -> str:
    """Return the name or address in a ``Host`` header, without brackets; empty if malformed."""
    found = _HOST.fullmatch(host)
    return (found["six"] or found["name"]) if found else ""


@functools.lru_cache(maxsize=64)
def _is_of_this_machine(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name in _own_names()
    return True


def _own_names() -> frozenset[str]:
    """Return this machine's name, with and without ``.local``."""
    name = socket.gethostname().lower().removesuffix(".local")
    return frozenset({name, f"{name}.local"} if name else ())


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
