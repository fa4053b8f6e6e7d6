"""Local mode: sign-in by name alone, on a server that is not set up and serves its own machine.

It gives a token to every client that asks. So it is limited to clients on this machine that reach
the server directly (``LocalMode.is_for``). Any sign of a proxy, another host or another site
disables it, and so does a configured sign-in (docs/decisions/0012-local-mode.md).
"""

from __future__ import annotations

import base64
import hashlib
import time
import unicodedata
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from protocol import answers
from protocol.errors import ErrorCode, ProtocolError, RetryableError, bad_request
from protocol.fields import normalise
from protocol.published.page import LocalName, LocalToken
from server.config.urls import is_loopback, origin_of
from server.http.answers import error_answer, json_answer
from server.http.body import read_body, without_mark
from server.limits.token_bucket import TokenBucket

if TYPE_CHECKING:
    from server.config.settings import Settings
    from server.node import Node

#: Lifetime of a token: a working day, so that a page left open over lunch stays signed in.
LOCAL_TOKEN_LIFETIME: Final = timedelta(hours=12)
#: Tokens that may be made at once, and per second after that; then ``rate_limited``. People type
#: names more slowly; it stops scripts.
LOCAL_TOKEN_BURST: Final = 50
LOCAL_TOKENS_PER_SECOND: Final = 5.0
#: Bytes of a request's body; a larger one is refused. A name of 1,000 escaped characters fits.
MAX_NAME_BODY_BYTES: Final = 16_384
#: Prefixes of headers that proxies add. A request with one came through a proxy, and its client may
#: be on any machine.
_PROXIED: Final = (
    "forwarded",
    "via",
    "x-forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-",
    "x-envoy-",
    "x-azure-",
    "true-client-ip",
    "cf-",
    "fastly-",
    "fly-",
    "cdn-loop",
)
#: Prefix of user ids made here; the rest is the name's digest.
LOCAL_USER_PREFIX: Final = "local-"

_name = msgspec.json.Decoder(LocalName)


class LocalMode:
    """Makes tokens for names, for clients on this machine."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._bucket = TokenBucket(LOCAL_TOKENS_PER_SECOND, LOCAL_TOKEN_BURST, time.monotonic())

    def is_for(self, request: Request) -> bool:
        """Return whether the client of ``request`` may sign in by name."""
        return is_set_up(self._node.settings) and _is_from_here(request)

    async def token(self, request: Request) -> Response:
        """``POST /v1/local/token``: 200 with a ``LocalToken``, or 404 if local mode is off."""
        try:
            if not self.is_for(request):
                raise RetryableError(ErrorCode.NOT_FOUND)
            return json_answer(msgspec.json.encode(self._made(await _asked(request, self._node))))
        except ProtocolError as err:
            return error_answer(err)

    def _made(self, name: str) -> LocalToken:
        now = time.monotonic()
        if not self._bucket.take(now):
            raise RetryableError(ErrorCode.RATE_LIMITED, retry_after_ms=self._bucket.wait_ms())
        user = user_of(name)
        expires = datetime.now(UTC) + LOCAL_TOKEN_LIFETIME
        token = self._node.auth.make(user, name, LOCAL_TOKEN_LIFETIME)
        return LocalToken(token=token, user=user, name=name, expires=answers.timestamp(expires))


def is_set_up(settings: Settings) -> bool:
    """Return whether only this machine reaches the server, and no sign-in is configured."""
    return (
        is_loopback(settings.host)
        and settings.auth_secret is None
        and settings.auth_jwks_url is None
        and settings.oidc_issuer is None
        # A public address means a proxy, even if it adds no header.
        and (settings.public_url is None or _is_own(settings.public_url))
    )


def user_of(name: str) -> str:
    """Return the user id of ``name``, the same for every spelling that looks alike."""
    digest = hashlib.sha256(_folded(name).encode()).digest()[:15]
    return LOCAL_USER_PREFIX + base64.b32encode(digest).decode().lower()


def _folded(name: str) -> str:
    """Fold ``name``: compatibility forms, case, and invisible characters."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in folded if unicodedata.category(c) != "Cf")


def _is_own(public_url: str) -> bool:
    origin = origin_of(public_url)
    return origin is not None and is_loopback(_host_and_port(origin.partition("://")[2])[0])


def _is_from_here(request: Request) -> bool:
    """Return whether peer, ``Host`` and ``Origin`` are all this machine.

    A foreign ``Host`` shows DNS rebinding, and a foreign ``Origin`` another site's page. HTTP/1.0
    shows nginx, which by default sends the inner address as ``Host``; no browser uses it.
    """
    headers, client, server = request.headers, request.scope["client"], request.scope["server"]
    if client is None or server is None or not _is_loopback_address(client[0]):
        return False
    if request.scope["http_version"] == "1.0":
        return False
    if any(name.startswith(_PROXIED) for name in headers):
        return False
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or len(origins) > 1:
        return False
    host, port = _host_and_port(hosts[0])
    if not (host == "localhost" or _is_loopback_address(host)) or port != server[1]:
        return False
    own = origin_of(f"http://{hosts[0]}")
    return headers.get("sec-fetch-site") in (None, "same-origin", "none") and (
        not origins or origins[0] == own
    )


def _host_and_port(authority: str) -> tuple[str, int]:
    """Split ``localhost:8400`` or ``[::1]:8400``; return ``("", 0)`` for anything else."""
    host, colon, digits = authority.lower().rpartition(":")
    if not colon or authority.endswith("]"):
        host, digits = authority.lower(), "80"
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        return "", 0
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 5):
        return "", 0
    return host, int(digits)


def _is_loopback_address(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


async def _asked(request: Request, node: Node) -> str:
    """Return the normalised name in the body. Raises ``bad_request``.

    The media type is checked because a form of another site can send any text, but not this type
    without a preflight request.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise bad_request("content-type", "the body must be application/json")
    body = without_mark(await read_body(request, MAX_NAME_BODY_BYTES))
    try:
        asked = _name.decode(body)
    except msgspec.ValidationError as err:
        raise bad_request("name", str(err)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request("", "the body is no JSON object") from None
    normalise(asked, node.texts)
    return asked.name
