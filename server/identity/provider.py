"""The OpenID Connect provider that people sign in with: its keys and its endpoints.

Both are in its discovery document (OpenID Connect Discovery 1.0). These functions block;
``server.identity.keys`` runs them in a thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import msgspec

from server.config.urls import origin_of, url_fault
from server.identity import jwks
from server.identity.jwks import KeySet, KeySetError

log = logging.getLogger("ayes.provider")

#: Seconds for which the discovery document is used; less if the keys are not at the address in it.
DISCOVERY_TTL_S: Final = 3_600.0
#: Seconds between two attempts to fetch it after a failure, if the keys have an address of their
#: own.
DISCOVERY_RETRY_INTERVAL_S: Final = 60.0
#: Documents that one ``load`` fetches at most: discovery and keys.
MAX_FETCHES: Final = 2
_DOCUMENT: Final = "/.well-known/openid-configuration"


class _Document(msgspec.Struct):
    issuer: str
    jwks_uri: str
    token_endpoint: str
    revocation_endpoint: str | None = None


_document = msgspec.json.Decoder(_Document)


class Provider:
    """The provider at ``issuer``, which knows the page as ``client_id``.

    ``jwks_url`` is the address of the keys, if the operator sets it. Then keys do not depend on the
    discovery document.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        jwks_url: str | None = None,
        fetch: Callable[[str], bytes] = jwks.fetch,
    ) -> None:
        self.issuer = issuer
        self.client_id = client_id
        self._jwks_url = jwks_url
        self._fetch = fetch
        self._known: _Document | None = None
        self._known_at = 0.0
        self._not_before = 0.0

    @property
    def address(self) -> str:
        """The address of the discovery document."""
        return self.issuer.rstrip("/") + _DOCUMENT

    def origins(self) -> frozenset[str]:
        """Return the origins that the page connects to.

        The issuer's own; and once known, those of its token and revocation endpoints.
        """
        urls = [self.issuer]
        if (known := self._known) is not None:
            urls += [known.token_endpoint, known.revocation_endpoint or known.token_endpoint]
        return frozenset(origin for url in urls if (origin := origin_of(url)) is not None)

    def load(self, _: str = "") -> KeySet:
        """Fetch the provider's keys. Blocks. Raises ``KeySetError`` or ``OSError``."""
        if self._jwks_url is None:
            url = self._discover().jwks_uri
        else:
            url = self._jwks_url
            self._try_to_discover()
        try:
            return jwks.read_key_set(self._fetch(url))
        except (KeySetError, OSError):
            self._known_at = 0.0
            raise

    def _try_to_discover(self) -> None:
        """Fetch the discovery document for the page; failures are not repeated at once."""
        if time.monotonic() < self._not_before:
            return
        try:
            self._discover()
        except (KeySetError, OSError) as err:
            self._not_before = time.monotonic() + DISCOVERY_RETRY_INTERVAL_S
            log.warning("the provider at %s has no usable discovery document: %s", self.issuer, err)

    def _fault(self, url: str) -> str | None:
        fault = url_fault(url)
        if fault is None and urlsplit(self.issuer).scheme != urlsplit(url).scheme:
            fault = "has another scheme than the issuer"
        return fault

    def _discover(self) -> _Document:
        now = time.monotonic()
        if self._known is not None and self._known_at and now - self._known_at < DISCOVERY_TTL_S:
            return self._known
        try:
            found = _document.decode(self._fetch(self.address))
        except (msgspec.DecodeError, RecursionError):
            raise KeySetError("the provider's discovery document is invalid") from None
        if found.issuer != self.issuer:
            # OpenID Connect Discovery 1.0, 4.3: an exact match, or one provider could impersonate
            # another.
            raise KeySetError(f"the provider calls itself {found.issuer[:200]!r}")
        for url in (found.jwks_uri, found.token_endpoint):
            if (fault := self._fault(url)) is not None:
                raise KeySetError(f"an address of the provider {fault}")
        if found.revocation_endpoint and self._fault(found.revocation_endpoint) is not None:
            # Sign-in and sign-out work without it.
            found.revocation_endpoint = None
        self._known, self._known_at = found, now
        return found
