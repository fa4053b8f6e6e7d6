"""Checks tokens, and returns the user that each one names.

The server has a fixed list of algorithms, each with its own keys: HS256 the secret; RS256, ES256
and EdDSA the issuer's published keys. A token's header only selects among them, so a public key can
never be used as a secret.
"""

from __future__ import annotations

import binascii
import logging
import math
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import jwt
import msgspec

from handlers.rules.invitations import is_reserved
from handlers.step import Actor
from protocol.errors import ErrorCode, RetryableError
from protocol.requests import MAX_TOKEN
from protocol.text import MAX_SHRINKING, check_id, clean_name, cut_name, escaped, is_empty
from server.config.settings import Settings
from server.identity.entry import ENTRY_KID, EntryKey
from server.identity.jwks import MAX_KID_LENGTH, PUBLIC_ALGORITHMS
from server.identity.keys import RemoteKeys
from server.identity.log_throttle import LogThrottle
from server.identity.provider import MAX_FETCHES, Provider
from server.identity.refusals import Wanted, fault_of
from server.identity.secret import kept_secret

log = logging.getLogger("ayes.auth")

_SECRET_ALGORITHM = "HS256"  # noqa: S105 - a name
_REQUIRED = ["sub", "exp", "aud"]
#: Characters of a user's id. A token with a longer one is refused.
MAX_USER_ID_LENGTH = 255
#: Time by which the issuer's clock may be ahead of this server's, far above the error of
#: synchronised clocks. A token with a later ``nbf`` is ``auth_early``. A token is revoked unless
#: its ``iat`` is later than the revocation by more than this. ``exp`` has no leeway; every command
#: checks it again.
LEEWAY = timedelta(seconds=60)
#: Time by which a token may be from the future without a line in the log.
LOGGED_SKEW = timedelta(seconds=2)
#: Characters of an issuer's name in the log; the rest is cut.
MAX_LOGGED_ISSUER = 200
#: Milliseconds that a client with an early token is asked to wait at most. A token may be for next
#: year, but a JavaScript timer holds 24 days, and clocks are corrected sooner.
MAX_EARLY_WAIT_MS = 3_600_000
#: Milliseconds after which a client may try again whose key is being fetched.
KEYS_RETRY_DELAY_MS = 2_000


class Identity(NamedTuple):
    """The user of a valid token, and the token's times."""

    actor: Actor
    expires: datetime
    issued: datetime | None = None
    """The time at which the token was made (``iat``), if it says so."""
    event: str | None = None
    """The only event that the token is good for, if it is a guest's or an invited person's."""


class KeysPending(RetryableError):
    """The token's key is not fetched yet, so its validity is not known."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        super().__init__(
            ErrorCode.OVERLOADED,
            "the issuer's keys are not available",
            retry_after_ms=KEYS_RETRY_DELAY_MS,
        )


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    typ: Any = None
    crit: Any = None


_header = msgspec.json.Decoder(_Header)


class Authenticator:
    """Checks tokens against a secret, the issuer's keys, or both.

    ``audience`` is one, or several separated by commas; a token must name one of them. With a
    ``provider``, the keys are the provider's. They verify its ID tokens; tokens for ``audience``
    are verified by them only if ``shared_keys`` is true.
    """

    def __init__(
        self,
        secret: str | None = None,
        *,
        audience: str,
        issuer: str | None = None,
        keys: RemoteKeys | None = None,
        provider: Provider | None = None,
        shared_keys: bool = False,
        longest_name: int = 100,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secret = secret
        self._audiences = [name.strip() for name in audience.split(",") if name.strip()]
        self._provider = provider
        self._shared_keys = shared_keys or provider is None
        self._issuer = issuer
        self._keys = keys
        self._longest_name = longest_name
        self._clock = clock
        self._skews = LogThrottle()
        self._refusals = LogThrottle()
        self._wanted = Wanted(secret, self._audiences, issuer, has_keys=keys is not None)
        self.entry = EntryKey()
        """The key of the tokens of guests and invited people."""
        self._options: Any = {
            "require": _REQUIRED,
            # Checked below: the expected values depend on the kind of token.
            "verify_aud": False,
            "verify_iss": False,
            # Checked below: the clock is read once, and ``exp`` is compared last.
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }

    def start(self) -> None:
        """Start fetching the issuer's keys, if there is an issuer."""
        if self._keys is not None:
            self._keys.start()

    async def stop(self) -> None:
        """Stop fetching keys."""
        if self._keys is not None:
            await self._keys.stop()

    def provider_origins(self) -> frozenset[str]:
        """Return the origins that the page connects to for sign-in, besides the server's own."""
        return frozenset() if self._provider is None else self._provider.origins()

    def check(self, token: str) -> Identity:
        """Return the token's user. Never waits.

        Raises ``unauthenticated``, or ``auth_expired`` or ``auth_early`` if nothing else is wrong.
        Raises ``KeysPending`` if the token's key is not here yet, and requests the key.
        """
        try:
            return self._checked(token)
        except RetryableError as err:
            if err.code == ErrorCode.UNAUTHENTICATED:
                self._note_refusal(token)
            raise

    def why_refused(self, token: str, error: RetryableError) -> str:
        """Return in words why ``check`` refused ``token`` with ``error``; for operators alone."""
        if error.code == ErrorCode.UNAUTHENTICATED:
            return fault_of(token, self._wanted).words
        return error.message

    def _note_refusal(self, token: str) -> None:
        """Log what is wrong with a token, each kind of fault once a minute, without the token."""
        fault = fault_of(token, self._wanted)
        if self._refusals.permits(fault.kind):
            log.warning("refused a token: %s", fault.words)

    def _checked(self, token: str) -> Identity:
        header = _header_of(token)
        if header.kid == ENTRY_KID and header.alg == _SECRET_ALGORITHM:
            return self._by_entry(token)
        key, algorithm = self._key_of(header)
        now = self._clock()
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                options=self._options,
            )
            is_id_token = self._is_id_token(header, claims)
            if not is_id_token and not self._is_for_us(header, claims):
                raise RetryableError(ErrorCode.UNAUTHENTICATED)
            expires, issued, begins = (_moment(claims, name) for name in ("exp", "iat", "nbf"))
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError, RecursionError):
            # Do not reveal which check failed.
            raise RetryableError(ErrorCode.UNAUTHENTICATED) from None
        assert expires is not None
        self._note_skew(claims, [m for m in (issued, begins) if m is not None], now)
        if is_id_token and not claims.get("name"):
            claims["name"] = claims.get("preferred_username")
        identity = Identity(self._actor(claims), expires, issued)
        if expires <= now:
            raise RetryableError(ErrorCode.AUTH_EXPIRED)
        # Not ``iat``: it says when, and never whether (RFC 7519, 4.1.6).
        if begins is not None and (early := begins - now - LEEWAY) > timedelta():
            wait = math.ceil(early / timedelta(milliseconds=1))
            raise RetryableError(ErrorCode.AUTH_EARLY, retry_after_ms=min(wait, MAX_EARLY_WAIT_MS))
        return identity

    def _by_entry(self, token: str) -> Identity:
        """Return the user of a token that this server made for a guest or an invited person."""
        try:
            claims = self.entry.claims(token)
            expires, issued = _moment(claims, "exp"), _moment(claims, "iat")
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError, RecursionError):
            raise RetryableError(ErrorCode.UNAUTHENTICATED) from None
        assert expires is not None
        if expires <= self._clock():
            raise RetryableError(ErrorCode.AUTH_EXPIRED)
        actor = Actor(str(claims["sub"]), self._name(str(claims["name"])))
        return Identity(actor, expires, issued, str(claims["event"]))

    def _note_skew(self, claims: dict[str, Any], moments: list[datetime], now: datetime) -> None:
        """Log that an issuer's clock is ahead, by what its token says of itself."""
        ahead = max(moments, default=now) - now
        issuer = str(claims.get("iss", "an issuer without a name"))[:MAX_LOGGED_ISSUER]
        if ahead > LOGGED_SKEW and self._skews.permits(issuer):
            log.warning(
                "a token of %s says that it was made, or begins, %.0f s from now: its issuer's "
                "clock or this server's is wrong, or the token is for later",
                escaped(issuer.replace("\n", " ")),
                ahead.total_seconds(),
            )

    async def check_patiently(self, token: str) -> Identity:
        """Return and raise what ``check`` does, after up to ``KEY_WAIT_TIMEOUT_S`` for a missing
        key.
        """
        try:
            return self.check(token)
        except KeysPending as err:
            assert self._keys is not None
            await self._keys.settle(err.kid)
        return self.check(token)

    def _is_for_us(self, header: _Header, claims: dict[str, Any]) -> bool:
        """Return whether the token names a configured audience and the configured issuer."""
        if header.alg != _SECRET_ALGORITHM and not self._shared_keys:
            return False
        if self._issuer is not None and claims.get("iss") != self._issuer:
            return False
        return not set(self._audiences).isdisjoint(_audiences_of(claims))

    def _is_id_token(self, header: _Header, claims: dict[str, Any]) -> bool:
        """Return whether this is an ID token for the page (OpenID Connect Core 1.0, 3.1.3.7).

        The same keys sign access tokens and logout tokens. Those carry another ``typ`` (RFC 8725,
        3.11) and authenticate no user here.
        """
        provider = self._provider
        if provider is None or header.alg == _SECRET_ALGORITHM:
            return False
        typ = header.typ.lower() if isinstance(header.typ, str) else header.typ
        audiences = _audiences_of(claims)
        party = claims.get("azp", None if len(audiences) > 1 else provider.client_id)
        return (
            typ in (None, "jwt")
            and claims.get("iss") == provider.issuer
            and provider.client_id in audiences
            and party == provider.client_id
        )

    def _key_of(self, header: _Header) -> tuple[str | jwt.PyJWK, str]:
        """Return the key that must have signed the token, and that key's algorithm."""
        if header.alg == _SECRET_ALGORITHM and self._secret is not None:
            return self._secret, _SECRET_ALGORITHM
        kid = header.kid
        if (
            self._keys is None
            or header.alg not in PUBLIC_ALGORITHMS
            or kid is None
            or not 0 < len(kid) <= MAX_KID_LENGTH
        ):
            raise RetryableError(ErrorCode.UNAUTHENTICATED)
        named = self._keys.find(kid)
        if named is None and not self._keys.is_missing(kid):
            self._keys.want(kid)
            raise KeysPending(kid)
        if named is None or header.alg not in named:
            raise RetryableError(ErrorCode.UNAUTHENTICATED)
        return named[header.alg], header.alg

    def _actor(self, claims: dict[str, Any]) -> Actor:
        user, name = claims["sub"], claims.get("name")
        if not isinstance(user, str) or len(user) > MAX_USER_ID_LENGTH or is_empty(user):
            raise RetryableError(ErrorCode.UNAUTHENTICATED)
        try:
            # Compared by bytes and never normalised: two subjects that the issuer distinguishes
            # must not become one user.
            check_id(user, "sub")
        except RetryableError:
            raise RetryableError(ErrorCode.UNAUTHENTICATED) from None
        if "\n" in user or "\t" in user or is_reserved(user):
            raise RetryableError(ErrorCode.UNAUTHENTICATED)
        # An unusable display name comes from the identity provider; it must not prevent sign-in.
        shown = self._name(name) if isinstance(name, str) else ""
        return Actor(user, shown or self._name(user))

    def _name(self, name: str) -> str:
        limit = self._longest_name
        return cut_name(clean_name(name[: MAX_SHRINKING * limit]), limit)

    def make(self, user: str, name: str | None, lifetime: timedelta) -> str:
        """Make a token for ``user``, for the command line and tests. Raises without a secret."""
        if self._secret is None:
            raise ValueError("tokens are the issuer's to make")
        now = self._clock()
        claims: dict[str, object] = {
            "sub": user,
            "aud": self._audiences[0],
            # With fractions of a second, so that a token made right after a revocation is valid.
            "iat": now.timestamp(),
            "exp": (now + lifetime).timestamp(),
        }
        if name is not None:
            claims["name"] = name
        if self._issuer is not None:
            claims["iss"] = self._issuer
        return jwt.encode(claims, self._secret, algorithm=_SECRET_ALGORITHM)


def authenticator_for(settings: Settings) -> Authenticator:
    """Make the authenticator that ``settings`` describe.

    With an issuer, a secret counts only if the operator gave one. A generated secret would let
    every reader of the data directory make tokens without the issuer. Raises ``StartError`` if the
    generated secret cannot be used.
    """
    url = settings.auth_jwks_url
    secret = settings.auth_secret
    provider, keys = None, None
    if settings.oidc_issuer is not None and settings.oidc_client_id is not None:
        provider = Provider(settings.oidc_issuer, settings.oidc_client_id, jwks_url=url)
        keys = RemoteKeys(provider.address, load=provider.load, fetches=MAX_FETCHES)
    elif url is not None:
        keys = RemoteKeys(url)
    elif secret is None:
        secret = kept_secret(settings.data_dir)
    return Authenticator(
        secret,
        audience=settings.auth_audience,
        issuer=settings.auth_issuer,
        keys=keys,
        provider=provider,
        # ``auth_jwks_url`` names keys for tokens of ``auth_audience``, with a provider too.
        shared_keys=url is not None,
        longest_name=settings.name_length,
    )


def _header_of(token: str) -> _Header:
    """Decode the token's header; refuse critical extensions (RFC 7515 4.1.11)."""
    if len(token) > MAX_TOKEN:
        raise RetryableError(ErrorCode.UNAUTHENTICATED)
    try:
        # Leniently: ``jwt.decode`` decodes it again, strictly.
        header = _header.decode(urlsafe_b64decode(token.partition(".")[0] + "=="))
    except (binascii.Error, ValueError, RecursionError):
        raise RetryableError(ErrorCode.UNAUTHENTICATED) from None
    if header.crit is not None:
        raise RetryableError(ErrorCode.UNAUTHENTICATED)
    return header


def _audiences_of(claims: dict[str, Any]) -> list[str]:
    """Return the token's audiences (RFC 7519, 4.1.3). Raises ``TypeError`` if one is not text."""
    named = claims["aud"]
    found = named if isinstance(named, list) else [named]
    if not all(isinstance(name, str) for name in found):
        raise TypeError("aud is no text")
    return found


def _moment(claims: dict[str, Any], name: str) -> datetime | None:
    """Return a NumericDate (RFC 7519 2), or ``None`` if absent. Raises ``TypeError`` for null."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is no number")
    return datetime.fromtimestamp(value, UTC)
