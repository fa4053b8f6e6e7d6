"""Why a token is not valid, in words for operators. Clients learn only that it is not."""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from typing import Any, Final, NamedTuple

import jwt

from protocol.requests import MAX_TOKEN
from protocol.text import escaped

#: Characters of a value in the reason; the rest is cut. A token's own words are its sender's.
MAX_SHOWN_VALUE: Final = 80
#: Seconds since 1970 above which a time is surely in milliseconds: the year 5138.
MAX_MOMENT: Final = 100_000_000_000
_SECRET_ALGORITHM = "HS256"  # noqa: S105 - a name


class Wanted(NamedTuple):
    """The tokens that the server takes. Without a ``secret``, none that is signed with one."""

    secret: str | None
    audiences: list[str]
    issuer: str | None
    has_keys: bool


class Fault(NamedTuple):
    """A fault: a ``kind`` of few, and a sentence."""

    kind: str
    words: str


_LAST: Final = Fault(
    "other",
    "the issuer publishes no key that signed it, or its sub can be no user's id: empty, too long, "
    "or with odd characters",
)


def fault_of(token: str, wanted: Wanted) -> Fault:
    """Return the fault of ``token``, which is not valid. Neither it nor its user is named."""
    if len(token) > MAX_TOKEN:
        return Fault("length", f"it has {len(token)} characters, of {MAX_TOKEN} at most")
    if token.count(".") != 2:
        return Fault("format", "it is no JWT: that has three parts with dots in between")
    head, claims = (_object(part) for part in token.split(".")[:2])
    if head is None:
        return Fault("format", "it is no JWT: its header cannot be read")
    algorithm = head.get("alg")
    if algorithm == _SECRET_ALGORITHM:
        if wanted.secret is None:
            return Fault(
                "no_secret",
                "it is signed with HS256, and this server has an issuer and no AYES_AUTH_SECRET",
            )
    elif not wanted.has_keys:
        return Fault("alg", f"its alg is {_shown(algorithm)}, wanted HS256")
    elif not isinstance(head.get("kid"), str):
        return Fault("kid", f"its alg is {_shown(algorithm)}, and it has no kid that names the key")
    if "crit" in head:
        return Fault("crit", "its header has crit, which this server does not know")
    if claims is None:
        return Fault("format", "it is no JWT: its claims cannot be read")
    return (
        _fault_of_signature(token, wanted, algorithm) or _fault_of_claims(claims, wanted) or _LAST
    )


def _fault_of_signature(token: str, wanted: Wanted, algorithm: object) -> Fault | None:
    if algorithm != _SECRET_ALGORITHM or wanted.secret is None:
        return None
    try:
        jwt.api_jws.decode(token, wanted.secret, algorithms=[_SECRET_ALGORITHM])
    except jwt.InvalidSignatureError:
        return Fault("signature", "it is signed with another secret than this server's")
    except (jwt.PyJWTError, ValueError):
        return Fault("format", "it is no JWT: it cannot be decoded")
    return None


def _fault_of_claims(claims: dict[str, Any], wanted: Wanted) -> Fault | None:
    for name in ("sub", "aud", "exp"):
        if name not in claims:
            return Fault(f"no_{name}", f"it has no {name}")
    audience = claims["aud"]
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(name, str) and name in wanted.audiences for name in named):
        one_of = " or ".join(f'"{name}"' for name in wanted.audiences)
        return Fault("aud", f"its aud is {_shown(audience)}, wanted {one_of}")
    if wanted.issuer is not None and claims.get("iss") != wanted.issuer:
        return Fault("iss", f'its iss is {_shown(claims.get("iss"))}, wanted "{wanted.issuer}"')
    for name in ("exp", "iat", "nbf"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return Fault("time", f"its {name} is {_shown(value)}, wanted a number of seconds")
        if not 0 <= value < MAX_MOMENT:
            words = f"its {name} is {_shown(value)}, wanted seconds since 1970, not milliseconds"
            return Fault("time", words)
    return None if isinstance(claims["sub"], str) else Fault("sub", "its sub is no text")


def _object(part: str) -> dict[str, Any] | None:
    try:
        found = json.loads(urlsafe_b64decode(part + "=="))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _shown(value: object) -> str:
    """A value of the token, in one short line."""
    text = json.dumps(value, ensure_ascii=False)
    cut = text if len(text) <= MAX_SHOWN_VALUE else text[:MAX_SHOWN_VALUE] + "…"
    return escaped(cut.replace("\n", " "))
