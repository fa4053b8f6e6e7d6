"""Fetches and reads the issuer's published keys, a JSON Web Key Set (RFC 7517).

These functions block; ``server.identity.keys`` runs them in a thread. The standard library suffices
for one small document, and saves a dependency. It honours ``HTTPS_PROXY`` and ``SSL_CERT_FILE``.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from server.config.urls import is_loopback

log = logging.getLogger("ayes.keys")

#: Seconds for a connect, for each read, and for the whole answer; then the fetch has failed.
FETCH_TIMEOUT_S = 5.0
#: Bytes of a key set; a larger one is refused. Large providers' have 1 to 10 KiB.
MAX_KEY_SET_BYTES = 262_144
#: Bytes of one read.
_CHUNK_BYTES = 16_384
#: Bits of an RSA key; a shorter one is refused (RFC 7518 3.3).
MIN_RSA_BITS = 2_048
#: Characters of a key's name (``kid``); a key or token with a longer one is refused.
MAX_KID_LENGTH = 256

#: The algorithm of each kind of key, so that no key serves two algorithms.
_ALGORITHM: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
#: The algorithms of published keys.
PUBLIC_ALGORITHMS: Final = frozenset(_ALGORITHM.values())

KeySet: TypeAlias = Mapping[str, Mapping[str, jwt.PyJWK]]
"""``kid`` → algorithm → key."""


class KeySetError(Exception):
    """The key set cannot be fetched or read. The message can be logged."""


class _Document(msgspec.Struct):
    keys: list[msgspec.Raw]


class _Parameters(msgspec.Struct):
    """The parameters that decide whether a key is used; PyJWK reads the key itself."""

    kty: str
    kid: str
    crv: str | None = None
    alg: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    d: Any = None


def load(url: str) -> KeySet:
    """Fetch and read the keys at ``url``. Blocks. Raises ``KeySetError`` or ``OSError``."""
    return read_key_set(fetch(url))


def fetch(url: str) -> bytes:
    """Fetch the document at ``url``. Blocks. Raises ``KeySetError`` or ``OSError``.

    Follows no redirect: the operator trusts the configured address, and no other.
    """
    return fetch_dated(url)[0]


def fetch_dated(url: str) -> tuple[bytes, datetime | None]:
    """Do the same as ``fetch``, and return the server's own time of the answer in addition.

    Raises ``KeySetError``.
    """
    request = Request(  # noqa: S310 - ``url_fault`` allows two schemes, the opener knows no others
        url, headers={"accept": "application/jwk-set+json, application/json", "user-agent": "ayes"}
    )
    deadline = time.monotonic() + FETCH_TIMEOUT_S
    body = bytearray()
    try:
        with _opener(url).open(request, timeout=FETCH_TIMEOUT_S) as response:
            date = _moment(response.headers.get("date"))
            while chunk := response.read1(_CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_KEY_SET_BYTES:
                    raise KeySetError(f"it has more than {MAX_KEY_SET_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise KeySetError(f"it took longer than {FETCH_TIMEOUT_S:.0f} s")
    except HTTPError as err:
        err.close()
        raise KeySetError(f"the answer was {err.code}") from None
    return bytes(body), date


def _moment(date: str | None) -> datetime | None:
    """Read a ``Date`` header (RFC 9110, 6.6.1)."""
    try:
        return None if date is None else parsedate_to_datetime(date).astimezone(UTC)
    except ValueError:
        return None


def _opener(url: str) -> OpenerDirector:
    """Make an opener without redirects and file URLs, and without a proxy for loopback."""
    opener = OpenerDirector()
    opener.add_handler(ProxyHandler({} if is_loopback(urlsplit(url).hostname or "") else None))
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler(context=ssl.create_default_context()))
    opener.add_handler(HTTPErrorProcessor())
    opener.add_handler(HTTPDefaultErrorHandler())
    return opener


def read_key_set(document: bytes) -> KeySet:
    """Return the keys of ``document`` that may verify tokens.

    Left out are keys without a name (``kid``), keys for encryption, symmetric and private keys
    (a published one is compromised), RSA below 2,048 bits, and algorithms other than RS256, ES256
    and EdDSA with Ed25519. Raises ``KeySetError`` if the document is not a key set.
    """
    try:
        listed = msgspec.json.decode(document, type=_Document).keys
    except (msgspec.DecodeError, RecursionError):
        raise KeySetError("the answer is no key set") from None
    found: dict[str, dict[str, jwt.PyJWK]] = {}
    for number, raw in enumerate(listed):
        try:
            parameters = msgspec.json.decode(raw, type=_Parameters)
            algorithm = _algorithm_of(parameters)
            if algorithm is None:
                continue
            key = jwt.PyJWK(msgspec.json.decode(raw), algorithm)
        except Exception as err:
            # The other keys stay usable. The message is not logged, since it may quote the key.
            log.warning("key %d of the key set is not usable: %s", number, type(err).__name__)
            continue
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < MIN_RSA_BITS:
            log.warning("key %d of the key set has %d bits only", number, key.key.key_size)
            continue
        if algorithm in found.setdefault(parameters.kid, {}):
            log.warning("key %d of the key set has the name of another one", number)
            continue
        found[parameters.kid][algorithm] = key
    return found


def _algorithm_of(parameters: _Parameters) -> str | None:
    """Return the algorithm that this key may verify, or ``None``."""
    algorithm = _ALGORITHM.get((parameters.kty, parameters.crv))
    if (
        algorithm is None
        or not 0 < len(parameters.kid) <= MAX_KID_LENGTH
        or parameters.d is not None
        or parameters.alg not in (None, algorithm)
        or parameters.use not in (None, "sig")
        or (parameters.key_ops is not None and "verify" not in parameters.key_ops)
    ):
        return None
    return algorithm
