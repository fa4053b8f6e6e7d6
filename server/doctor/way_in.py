"""The way of a client to the server: its public address, the proxies before it, its origin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

import websockets
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.typing import Origin, Subprotocol

from protocol import SUBPROTOCOL
from protocol.closes import CloseCode
from server.config.settings import Settings
from server.config.urls import is_loopback, origin_of
from server.doctor.finding import Finding, fail, ok, warn

#: Seconds for the handshake through the proxies; then the way counts as blocked.
HANDSHAKE_TIMEOUT_S: Final = 5.0
#: Seconds that a refusal by the server takes; an accepted socket says nothing before its hello.
REFUSAL_TIMEOUT_S: Final = 0.5

_ANY: Final = ("0.0.0.0", "::", "")  # noqa: S104 - not listened on here


async def findings(settings: Settings, environment: Mapping[str, str]) -> AsyncIterator[Finding]:
    """Yield the findings about origins and proxies; tries the public address if there is one."""
    for finding in (*_origins(settings), *_proxies(settings, environment)):
        yield finding
    if settings.public_url is not None:
        yield await _through(settings.public_url)


def _origins(settings: Settings) -> Iterator[Finding]:
    public = settings.public_url
    if public is None and settings.host in _ANY and not settings.allowed_origins:
        yield warn(
            "origins",
            "the server listens on all addresses and has no public one: a page that was opened "
            "under a name is refused (4505)",
            "set AYES_PUBLIC_URL to the address that people open",
        )
    for url in filter(None, (public, *settings.allowed_origins)):
        host = urlsplit(url).hostname or ""
        if url.startswith("http://") and not is_loopback(host):
            yield warn(
                "origins",
                f"{url} is not encrypted: tokens can be read on the way, and browsers keep "
                "sign-in and notifications from such pages",
                "put a proxy with TLS in front, and write https://",
            )


def _proxies(settings: Settings, environment: Mapping[str, str]) -> Iterator[Finding]:
    trusted = environment.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
    is_open = not is_loopback(settings.host)
    if trusted == "*" and is_open and settings.public_url is None:
        yield fail(
            "proxies",
            "FORWARDED_ALLOW_IPS=* and no proxy is in front: every client may claim any address, "
            "and escape the limits of its own",
            "set FORWARDED_ALLOW_IPS to the proxy's address, or unset it",
        )
    elif settings.public_url is not None and is_open and "FORWARDED_ALLOW_IPS" not in environment:
        yield warn(
            "proxies",
            "a proxy on another machine is not trusted, so all its clients have its address and "
            "share one address's limits",
            "set FORWARDED_ALLOW_IPS to the proxy's address, if it is not on this machine",
        )


async def _through(public: str) -> Finding:
    """Open a WebSocket at the public address, as a page of it would."""
    subject = "public address"
    parts = urlsplit(public)
    scheme = "wss" if parts.scheme == "https" else "ws"
    url = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/v1/socket"
    try:
        async with connect(
            url,
            origin=Origin(origin_of(public) or public),
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            open_timeout=HANDSHAKE_TIMEOUT_S,
            close_timeout=REFUSAL_TIMEOUT_S,
            proxy=None if is_loopback(parts.hostname or "") else True,
        ) as socket:
            return await _greeted(socket, public)
    except InvalidStatus as err:
        code = err.response.status_code
        if code in (502, 503, 504):
            cure = "start the server, or correct the proxy's upstream"
            return fail(subject, f"the proxy at {public} finds no server ({code})", cure)
        cure = "pass Upgrade and Connection on, as deploy/nginx/nginx.conf does"
        return fail(subject, f"{public} answers {code}, and opens no WebSocket", cure)
    except (InvalidHandshake, InvalidURI) as err:
        cure = "pass Upgrade and Connection on, as deploy/nginx/nginx.conf does"
        return fail(subject, f"{public} opens no WebSocket: {err}", cure)
    except (OSError, TimeoutError, websockets.WebSocketException) as err:
        why = str(err) or type(err).__name__
        cure = "if the server should run: start it, then run this again"
        return warn(subject, f"nothing answers at {public}: {why}", cure)


async def _greeted(socket: websockets.ClientConnection, public: str) -> Finding:
    try:
        async with asyncio.timeout(REFUSAL_TIMEOUT_S):
            await socket.recv()
    except TimeoutError:
        pass
    except websockets.ConnectionClosed as err:
        if err.rcvd is not None and err.rcvd.code == CloseCode.ORIGIN_NOT_ALLOWED:
            cure = f"start the server with AYES_PUBLIC_URL={public}"
            return fail("public address", f"its server refuses pages of {public} (4505)", cure)
    return ok("public address", f"a WebSocket opens at {public}")
