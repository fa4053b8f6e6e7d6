"""Who a token speaks for.

The algorithms are a list of ours, never the token's own word, and each has keys of its own: HS256
the secret, RS256, ES256 and EdDSA the issuer's published keys. What a token says of its algorithm
and key only chooses among them, so a public key can never be taken for a secret.
"""

from __future__ import annotations

import binascii
import secrets
import unicodedata
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import msgspec

from handlers.step import Actor
from protocol.errors import ErrorCode, Rejection
from protocol.fields import clean_text
from server.jwks import LONGEST_KID, PUBLIC_ALGORITHMS
from server.keys import RemoteKeys
from server.settings import Settings

_SECRET_ALGORITHM = "HS256"  # noqa: S105 - a name
_REQUIRED = ["sub", "exp", "aud"]
#: Characters of a token. A header of a request holds half of that.
LONGEST_TOKEN = 16_384
_LONGEST_USER = 255
#: How far the issuer's clock may be ahead of ours. It holds for ``nbf`` and ``iat``; ``exp`` is
#: looked at again with every command, and has none.
LEEWAY = timedelta(seconds=10)
#: When a client should come back whose key is being fetched.
KEYS_RETRY_MS = 2_000


class Identity(NamedTuple):
    """A user, as a valid token tells of them."""

    actor: Actor
    expires: datetime
    issued: datetime | None = None
    """When the token was made, where it says so."""


class KeysPending(Rejection):
    """The token names a key that is not at hand yet: whether it is valid is not known."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        super().__init__(
            ErrorCode.OVERLOADED,
            "the issuer's keys are not at hand",
            retry_after_ms=KEYS_RETRY_MS,
        )


class _Header(msgspec.Struct):
    alg: str
    kid: str | None = None
    crit: Any = None


_header = msgspec.json.Decoder(_Header)


class Authenticator:
    """Checks tokens against a secret, the issuer's keys, or both.

    ``audience`` is one, or several separated by commas; a token must name one of them.
    """

    def __init__(
        self,
        secret: str | None = None,
        *,
        audience: str,
        issuer: str | None = None,
        keys: RemoteKeys | None = None,
        longest_name: int = 100,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secret = secret
        self._audiences = [name.strip() for name in audience.split(",") if name.strip()]
        self._issuer = issuer
        self._keys = keys
        self._longest_name = longest_name
        self._clock = clock
        self._options: Any = {
            "require": [*_REQUIRED, *(["iss"] if issuer else [])],
            # The clock is read once, and ``exp`` looked at last.
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }

    def start(self) -> None:
        """Begin to fetch the issuer's keys, where there is one."""
        if self._keys is not None:
            self._keys.start()

    async def stop(self) -> None:
        """End that."""
        if self._keys is not None:
            await self._keys.stop()

    def check(self, token: str) -> Identity:
        """The token's user.

        Raises ``Rejection``: ``unauthenticated``; ``auth_expired`` where that is all that is wrong
        with it; ``KeysPending`` where its key has yet to be fetched, which this sets off. Asks
        nobody and never waits.
        """
        key, algorithm = self._key_of(token)
        now = self._clock()
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audiences,
                issuer=self._issuer,
                options=self._options,
            )
            expires, issued, begins = (_moment(claims, name) for name in ("exp", "iat", "nbf"))
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError, RecursionError):
            # Which of them it was is nobody's business but the token's maker's.
            raise Rejection(ErrorCode.UNAUTHENTICATED) from None
        assert expires is not None
        if any(moment is not None and moment > now + LEEWAY for moment in (issued, begins)):
            raise Rejection(ErrorCode.UNAUTHENTICATED)
        identity = Identity(self._actor(claims), expires, issued)
        if expires <= now:
            raise Rejection(ErrorCode.AUTH_EXPIRED)
        return identity

    async def check_patiently(self, token: str) -> Identity:
        """``check``, but a key that is not at hand is waited for, ``PATIENCE_SECONDS`` at most."""
        try:
            return self.check(token)
        except KeysPending as err:
            assert self._keys is not None
            await self._keys.settle(err.kid)
        return self.check(token)

    def _key_of(self, token: str) -> tuple[str | jwt.PyJWK, str]:
        """The key that must have signed ``token``, and the one algorithm it is for."""
        header = _header_of(token)
        if header.alg == _SECRET_ALGORITHM and self._secret is not None:
            return self._secret, _SECRET_ALGORITHM
        kid = header.kid
        if (
            self._keys is None
            or header.alg not in PUBLIC_ALGORITHMS
            or kid is None
            or not 0 < len(kid) <= LONGEST_KID
        ):
            raise Rejection(ErrorCode.UNAUTHENTICATED)
        named = self._keys.find(kid)
        if named is None and not self._keys.is_missing(kid):
            self._keys.want(kid)
            raise KeysPending(kid)
        if named is None or header.alg not in named:
            raise Rejection(ErrorCode.UNAUTHENTICATED)
        return named[header.alg], header.alg

    def _actor(self, claims: dict[str, Any]) -> Actor:
        user, name = claims["sub"], claims.get("name")
        if not isinstance(user, str) or len(user) > _LONGEST_USER or not user.strip():
            raise Rejection(ErrorCode.UNAUTHENTICATED)
        try:
            user = clean_text(user, "sub")
        except Rejection:
            raise Rejection(ErrorCode.UNAUTHENTICATED) from None
        if "\n" in user or "\t" in user:
            raise Rejection(ErrorCode.UNAUTHENTICATED)
        # A strange name is the identity provider's doing; it must not keep anybody out.
        shown = _one_line(name) if isinstance(name, str) else ""
        return Actor(user, (shown or user)[: self._longest_name])

    def make(self, user: str, name: str | None, lifetime: timedelta) -> str:
        """A token for ``user``, for command line and tests; there must be a secret."""
        if self._secret is None:
            raise ValueError("tokens are the issuer's to make")
        now = self._clock()
        claims: dict[str, object] = {
            "sub": user,
            "aud": self._audiences[0],
            # With their fractions: a token made right after a revocation is good.
            "iat": now.timestamp(),
            "exp": (now + lifetime).timestamp(),
        }
        if name is not None:
            claims["name"] = name
        if self._issuer is not None:
            claims["iss"] = self._issuer
        return jwt.encode(claims, self._secret, algorithm=_SECRET_ALGORITHM)


def authenticator_for(settings: Settings) -> Authenticator:
    """What ``settings`` ask for.

    Beside an issuer's keys a secret counts only where it was given: the one made by the server
    itself would let whoever can read its data directory pass the issuer by.
    """
    url = settings.auth_jwks_url
    secret = settings.auth_secret
    if secret is None and url is None:
        secret = kept_secret(settings.data_dir)
    return Authenticator(
        secret,
        audience=settings.auth_audience,
        issuer=settings.auth_issuer,
        keys=None if url is None else RemoteKeys(url),
        longest_name=settings.name_length,
    )


def _header_of(token: str) -> _Header:
    """What the token says of itself; no extension is known that must be (RFC 7515 4.1.11)."""
    if len(token) > LONGEST_TOKEN:
        raise Rejection(ErrorCode.UNAUTHENTICATED)
    try:
        # Leniently: ``jwt.decode`` reads it again, to the letter.
        header = _header.decode(urlsafe_b64decode(token.partition(".")[0] + "=="))
    except (binascii.Error, ValueError, RecursionError):
        raise Rejection(ErrorCode.UNAUTHENTICATED) from None
    if header.crit is not None:
        raise Rejection(ErrorCode.UNAUTHENTICATED)
    return header


def _moment(claims: dict[str, Any], name: str) -> datetime | None:
    """A NumericDate (RFC 7519 2); absent is ``None``, and null is none at all."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is no number")
    return datetime.fromtimestamp(value, UTC)


def _one_line(name: str) -> str:
    """``name`` in NFC, without control characters and with single spaces."""
    shown = "".join(c for c in name if c.isspace() or unicodedata.category(c) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", " ".join(shown.split()))


def kept_secret(data_dir: Path) -> str:
    """The secret that is kept in ``data_dir``, made there the first time."""
    path = data_dir / "auth_secret"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    data_dir.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_urlsafe(48)
    fresh = path.with_suffix(f".{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_text(secret + "\n")
    try:
        # Linked, not renamed: where two start at once, the first one's secret stands.
        path.hardlink_to(fresh)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return path.read_text().strip()
