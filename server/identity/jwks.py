"""The issuer's public keys as it publishes them: a JSON Web Key Set (RFC 7517), fetched and read.

These functions block; ``server.identity.keys`` runs them in a thread. The standard library is
enough for one small document now and then: another HTTP client would be one more dependency to keep
safe. It heeds ``HTTPS_PROXY`` and ``SSL_CERT_FILE``, as operators expect.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Mapping
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

#: Longest wait for a connection, or for more of an answer; and for all of it.
FETCH_TIMEOUT_S = 5.0
#: Largest key set; those of the large providers have 1 to 10 KiB.
MAX_KEY_SET_BYTES = 262_144
#: Bytes taken at once.
_CHUNK_BYTES = 16_384
#: RSA keys with fewer bits are refused (RFC 7518 3.3).
MIN_RSA_BITS = 2_048
#: A key's name; longer ones are nobody's.
MAX_KID_LENGTH = 256

#: What a key may verify follows from what it is, so that no key serves two algorithms.
_ALGORITHM: Final = {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
#: The algorithms of published keys.
PUBLIC_ALGORITHMS: Final = frozenset(_ALGORITHM.values())

KeySet: TypeAlias = Mapping[str, Mapping[str, jwt.PyJWK]]
"""``kid`` → algorithm → key."""


class KeySetError(Exception):
    """The key set cannot be had; the message is fit for a log."""


class _Document(msgspec.Struct):
    keys: list[msgspec.Raw]


class _Parameters(msgspec.Struct):
    """What says whether a key is for us; the key itself is PyJWK's to read."""

    kty: str
    kid: str
    crv: str | None = None
    alg: str | None = None
    use: str | None = None
    key_ops: list[str] | None = None
    d: Any = None


def load(url: str) -> KeySet:
    """The keys at ``url``. Blocks; raises ``KeySetError`` or ``OSError``."""
    return read_key_set(fetch(url))


def fetch(url: str) -> bytes:
    """The document at ``url``. Blocks; raises ``KeySetError`` or ``OSError``.

    Follows no redirect: the address is configured, and an answer from elsewhere would be trusted
    as much as one from there.
    """
    request = Request(  # noqa: S310 - ``url_fault`` allows two schemes, the opener knows no others
        url, headers={"accept": "application/jwk-set+json, application/json", "user-agent": "ayes"}
    )
    deadline = time.monotonic() + FETCH_TIMEOUT_S
    body = bytearray()
    try:
        with _opener(url).open(request, timeout=FETCH_TIMEOUT_S) as response:
            while chunk := response.read1(_CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_KEY_SET_BYTES:
                    raise KeySetError(f"it has more than {MAX_KEY_SET_BYTES} bytes")
                if time.monotonic() > deadline:
                    raise KeySetError(f"it took longer than {FETCH_TIMEOUT_S:.0f} s")
    except HTTPError as err:
        err.close()
        raise KeySetError(f"the answer was {err.code}") from None
    return bytes(body)


def _opener(url: str) -> OpenerDirector:
    """No redirects, no files, and no proxy to this machine."""
    opener = OpenerDirector()
    opener.add_handler(ProxyHandler({} if is_loopback(urlsplit(url).hostname or "") else None))
    opener.add_handler(HTTPHandler())
    opener.add_handler(HTTPSHandler(context=ssl.create_default_context()))
    opener.add_handler(HTTPErrorProcessor())
    opener.add_handler(HTTPDefaultErrorHandler())
    return opener


def read_key_set(document: bytes) -> KeySet:
    """The keys of ``document`` that may verify a token; the others are left out.

    Left out are: keys without a name (``kid``), keys for encryption, secrets and private keys
    (a published one is nobody's secret any more), RSA below 2,048 bits, other algorithms than
    RS256, ES256 and EdDSA with Ed25519. Raises ``KeySetError`` where it is no key set at all.
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
            # Whatever it is, the other keys are good; the message may hold the key itself.
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
    """What this key may verify, if anything."""
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
