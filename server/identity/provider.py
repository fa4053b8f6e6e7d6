"""The OpenID Connect provider that people sign in with: where its keys are, and where to ask it.

Both are in the document that it publishes about itself (OpenID Connect Discovery 1.0). What is here
blocks; ``server.identity.keys`` runs it in a thread.
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

#: How long the document is good; it is fetched again sooner where the keys are not where it says.
DISCOVERY_TTL_S: Final = 3_600.0
#: How long it is not asked for after a failure, where the keys are had without it.
DISCOVERY_RETRY_INTERVAL_S: Final = 60.0
#: Documents that one ``load`` fetches at most.
MAX_FETCHES: Final = 2
_DOCUMENT: Final = "/.well-known/openid-configuration"


class _Document(msgspec.Struct):
    issuer: str
    jwks_uri: str
    token_endpoint: str
    revocation_endpoint: str | None = None


_document = msgspec.json.Decoder(_Document)


class Provider:
    """What is known of the provider at ``issuer``, where the page is called ``client_id``.

    ``jwks_url`` is where its keys are, if it is not for the provider to say. Then they can be had
    without its document.
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
        """Where the provider tells about itself."""
        return self.issuer.rstrip("/") + _DOCUMENT

    def origins(self) -> frozenset[str]:
        """Where the page asks: the provider's own origin, and once known those where it gives
        tokens and takes them back.
        """
        urls = [self.issuer]
        if (known := self._known) is not None:
            urls += [known.token_endpoint, known.revocation_endpoint or known.token_endpoint]
        return frozenset(origin for url in urls if (origin := origin_of(url)) is not None)

    def load(self, _: str = "") -> KeySet:
        """The provider's keys. Blocks; raises ``KeySetError`` or ``OSError``."""
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
        """For the page's sake alone: the keys do not wait for a provider that fails, each time."""
        if time.monotonic() < self._not_before:
            return
        try:
            self._discover()
        except (KeySetError, OSError) as err:
            self._not_before = time.monotonic() + DISCOVERY_RETRY_INTERVAL_S
            log.warning("the provider at %s tells nothing of itself: %s", self.issuer, err)

    def _fault(self, url: str) -> str | None:
        fault = url_fault(url)
        if fault is None and urlsplit(self.issuer).scheme != urlsplit(url).scheme:
            fault = "is of another scheme than the issuer"
        return fault

    def _discover(self) -> _Document:
        now = time.monotonic()
        if self._known is not None and self._known_at and now - self._known_at < DISCOVERY_TTL_S:
            return self._known
        try:
            found = _document.decode(self._fetch(self.address))
        except (msgspec.DecodeError, RecursionError):
            raise KeySetError("the provider's document is none") from None
        if found.issuer != self.issuer:
            # OpenID Connect Discovery 1.0, 4.3: exactly, or one provider could speak for another.
            raise KeySetError(f"the provider calls itself {found.issuer[:200]!r}")
        for url in (found.jwks_uri, found.token_endpoint):
            if (fault := self._fault(url)) is not None:
                raise KeySetError(f"an address of the provider {fault}")
        if found.revocation_endpoint and self._fault(found.revocation_endpoint) is not None:
            # One signs in and out without it.
            found.revocation_endpoint = None
        self._known, self._known_at = found, now
        return found
