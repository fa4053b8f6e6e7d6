"""Who a token speaks for. The algorithms are a list of ours, never the token's own word."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import jwt

from handlers.step import Actor
from protocol.errors import ErrorCode, Rejection
from protocol.fields import clean_text

_ALGORITHMS = ["HS256"]
_REQUIRED = ["sub", "exp", "aud"]
_LONGEST_USER = 255


class Identity(NamedTuple):
    """A user, as a valid token tells of them."""

    actor: Actor
    expires: datetime


class Authenticator:
    """Checks tokens against one secret."""

    def __init__(
        self, secret: str, *, audience: str, issuer: str | None = None, longest_name: int = 100
    ) -> None:
        self._secret = secret
        self._audience = audience
        self._issuer = issuer
        self._longest_name = longest_name

    def check(self, token: str) -> Identity:
        """The token's user; raises ``auth_expired`` or ``unauthenticated``."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=_ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                options={"require": [*_REQUIRED, *(["iss"] if self._issuer else [])]},
            )
            expires = datetime.fromtimestamp(claims["exp"], UTC)
        except jwt.ExpiredSignatureError:
            raise Rejection(ErrorCode.AUTH_EXPIRED) from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, OSError, RecursionError):
            # Which of them it was is nobody's business but the token's maker's.
            raise Rejection(ErrorCode.UNAUTHENTICATED) from None
        return Identity(self._actor(claims), expires)

    def _actor(self, claims: dict[str, object]) -> Actor:
        user, name = claims["sub"], claims.get("name")
        if not isinstance(user, str) or not 0 < len(user) <= _LONGEST_USER:
            raise Rejection(ErrorCode.UNAUTHENTICATED)
        try:
            user = clean_text(user, "sub")
            name = clean_text(name, "name") if isinstance(name, str) else ""
        except Rejection:
            raise Rejection(ErrorCode.UNAUTHENTICATED) from None
        # A long name is the identity provider's doing; it must not keep anybody out.
        shown = (name.strip() or user)[: self._longest_name]
        return Actor(user, shown)

    def make(self, user: str, name: str | None, lifetime: timedelta) -> str:
        """A token for ``user``, for command line and tests."""
        now = datetime.now(UTC)
        claims: dict[str, object] = {
            "sub": user,
            "aud": self._audience,
            "iat": now,
            "exp": now + lifetime,
        }
        if name is not None:
            claims["name"] = name
        if self._issuer is not None:
            claims["iss"] = self._issuer
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHMS[0])


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
