"""The issuer of tokens: its keys, its discovery document, its clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Final

from server.config.settings import Settings
from server.doctor.finding import Finding, fail, ok, warn
from server.identity import jwks
from server.identity.auth import LEEWAY
from server.identity.jwks import KeySet, KeySetError
from server.identity.provider import Provider

#: Seconds that an HTTP ``Date`` may be off by itself: it has whole seconds, and travels.
DATE_PRECISION_S: Final = 5.0


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Yield the findings about the issuer; one line if tokens are signed with a secret."""
    url = settings.auth_jwks_url
    if url is None and settings.oidc_issuer is None:
        kind = "one's own secret" if settings.auth_secret else "a secret that the server makes"
        yield ok("issuer", f"none; tokens are signed with {kind}")
        return
    dates: list[datetime] = []

    def fetch(address: str) -> bytes:
        body, date = jwks.fetch_dated(address)
        if date is not None:
            dates.append(date)
        return body

    def keys_at(address: str) -> KeySet:
        return jwks.read_key_set(fetch(address))

    load: Callable[[str], KeySet] = keys_at
    where = url or settings.oidc_issuer or ""
    if settings.oidc_issuer is not None:
        provider = Provider(
            settings.oidc_issuer, settings.oidc_client_id or "", jwks_url=url, fetch=fetch
        )
        load = provider.load
    try:
        keys = await asyncio.to_thread(load, where)
    except (KeySetError, OSError) as err:
        why = str(err) or type(err).__name__
        cure = "open the address from this machine; HTTPS_PROXY and SSL_CERT_FILE are honoured"
        yield fail("issuer", f"{where} gives no keys, so every token is refused: {why}", cure)
        return
    if not keys:
        cure = "publish RS256 (2,048 bits or more), ES256 or EdDSA keys with a kid"
        yield fail("issuer", f"{where} has no usable key, so every token is refused", cure)
        return
    yield ok("issuer", f"{where} has {len(keys)} usable keys")
    for finding in _clock(dates):
        yield finding


def _clock(dates: list[datetime]) -> list[Finding]:
    """Compare the issuer's clock with this machine's; tokens are dated by the former."""
    ahead = [(date - datetime.now(UTC)).total_seconds() for date in dates]
    worst = max(ahead, key=abs, default=0.0)
    if abs(worst) <= DATE_PRECISION_S:
        return []
    word = "ahead of" if worst > 0 else "behind"
    fact = f"its clock is {abs(worst):.0f} s {word} this machine's"
    if abs(worst) > LEEWAY.total_seconds():
        fact += ": its new tokens are refused as too early" if worst > 0 else ": tokens end early"
        return [fail("issuer", fact, "let both follow NTP")]
    return [warn("issuer", fact, "let both follow NTP")]
