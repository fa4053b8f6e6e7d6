"""Good tokens are accepted; a bad token is refused with its reason."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from protocol.errors import ErrorCode, RetryableError
from server.identity.auth import LEEWAY, MAX_EARLY_WAIT_MS, Authenticator
from server.identity.log_throttle import LOG_INTERVAL_S, MAX_KEYS, LogThrottle
from tests.protocol.hostile import TEXTS
from tests.protocol.test_cost import FRAME_CPU_S, cpu_s
from tests.server.issuing import (
    AUDIENCE,
    ISSUER,
    Issuer,
    claims,
    ec_key,
    issuing,
    one_of_each,
    rsa_key,
    trusting,
)

SECRET = "a secret of the tests, long enough for HS256"
NOW = int(time.time())


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as found:
        yield found


@pytest.fixture
async def auth(issuer: Issuer) -> AsyncIterator[Authenticator]:
    """Accepts the issuer's tokens and those signed with SECRET; its keys are loaded."""
    async with trusting(issuer.url, SECRET) as found:
        await found.check_patiently(one_of_each()["RS256"].sign())
        yield found


def hs256(*, key: str | bytes = SECRET, headers: dict[str, Any] | None = None, **c: Any) -> str:
    return jwt.encode(claims(**c), key, "HS256", headers=headers)


def raw(header: dict[str, Any] | bytes, payload: dict[str, Any] | bytes, signature: str) -> str:
    """A token that no library would make."""

    def part(what: dict[str, Any] | bytes) -> str:
        data = what if isinstance(what, bytes) else json.dumps(what).encode()
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    return f"{part(header)}.{part(payload)}.{signature}"


def hs256_over(payload: bytes) -> str:
    """A valid signature over any ``payload``."""
    return jwt.PyJWS().encode(payload, SECRET, "HS256")


def signing(**changes: Any) -> Callable[[], str]:
    """Sign claims that PyJWT would refuse."""
    return lambda: hs256_over(json.dumps(claims(**changes)).encode())


def signature_of(token: str) -> str:
    return token.rpartition(".")[2]


KEYS = one_of_each()
RSA, EC, ED = KEYS["RS256"], KEYS["ES256"], KEYS["EdDSA"]


def with_public_key(key: bytes, **header: Any) -> str:
    """HS256 with a public key, which anybody can make. PyJWT refuses to, so by hand."""
    signed = raw({"alg": "HS256", "typ": "JWT"} | header, claims(), "")[:-1]
    mac = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


GOOD: dict[str, Callable[[], str]] = {
    "the secret": hs256,
    "the secret, and a key's name": lambda: hs256(headers={"kid": "anything"}),
    **{name: key.sign for name, key in KEYS.items()},
    "two audiences": lambda: RSA.sign(aud=["others", AUDIENCE]),
    "no iat": lambda: RSA.sign(iat=...),
    "a fraction of a second": lambda: RSA.sign(iat=NOW - 0.5, exp=NOW + 3_000.25),
    "a clock a little ahead": lambda: RSA.sign(iat=NOW + 50, nbf=NOW + 50),
    "iat in the future": lambda: RSA.sign(iat=NOW + 3_600),
    "a name that is none": lambda: RSA.sign(name=["Ada"]),
    "a longest user": lambda: RSA.sign(sub="u" * 255),
    "another typ": lambda: RSA.sign(headers={"typ": "at+jwt"}),
}

BAD: dict[str, Callable[[], str]] = {
    # Algorithm and key
    "none": lambda: jwt.encode(claims(), "", "none"),
    "none, unsigned": lambda: raw({"alg": "none"}, claims(), ""),
    "None": lambda: raw({"alg": "None", "kid": "rsa-1"}, claims(), signature_of(RSA.sign())),
    "no alg": lambda: raw({"typ": "JWT"}, claims(), "AAAA"),
    "alg is no text": lambda: raw({"alg": ["RS256"], "kid": "rsa-1"}, claims(), "AAAA"),
    "HS512": lambda: jwt.encode(claims(), SECRET * 2, "HS512"),
    "RS512": lambda: jwt.encode(claims(), RSA.private, "RS512", headers={"kid": "rsa-1"}),
    "PS256": lambda: jwt.encode(claims(), RSA.private, "PS256", headers={"kid": "rsa-1"}),
    "another secret": lambda: hs256(key="another secret that is long enough as well"),
    "HS256 with the PEM": lambda: with_public_key(RSA.pem()),
    "HS256 with the PEM, named": lambda: with_public_key(RSA.pem(), kid="rsa-1"),
    "HS256 with the JWK": lambda: with_public_key(json.dumps(RSA.jwk).encode(), kid="rsa-1"),
    "HS256 with the modulus": lambda: with_public_key(RSA.jwk["n"].encode(), kid="rsa-1"),
    "HS256 with the EC point": lambda: with_public_key(EC.jwk["x"].encode(), kid="ec-1"),
    "RS256 named as EC": lambda: RSA.sign(headers={"kid": "ec-1"}),
    "ES256 named as RSA": lambda: EC.sign(headers={"kid": "rsa-1"}),
    "EdDSA named as EC": lambda: ED.sign(headers={"kid": "ec-1"}),
    "alg says ES256": lambda: raw(
        {"alg": "ES256", "kid": "rsa-1"}, claims(), signature_of(RSA.sign())
    ),
    "somebody else's key": lambda: rsa_key("rsa-1").sign(),
    "somebody else's EC key": lambda: ec_key("ec-1").sign(),
    "no kid": lambda: RSA.sign(headers={"kid": ...}),
    "empty kid": lambda: RSA.sign(headers={"kid": ""}),
    "a kid too long": lambda: RSA.sign(headers={"kid": "k" * 257}),
    "kid is no text": lambda: raw({"alg": "RS256", "kid": 1}, claims(), signature_of(RSA.sign())),
    "kid is a list": lambda: raw({"alg": "RS256", "kid": ["rsa-1"]}, claims(), "AAAA"),
    "its own key": lambda: rsa_key("x").sign(headers={"jwk": RSA.jwk, "kid": "rsa-1"}),
    "its own key set": lambda: rsa_key("x").sign(
        headers={"jku": "http://127.0.0.1:9/keys", "x5u": "http://127.0.0.1:9/c", "kid": "rsa-1"}
    ),
    "an extension that must be known": lambda: RSA.sign(headers={"crit": ["exp"], "exp": 1}),
    "a detached payload": lambda: hs256(headers={"b64": False}),
    "one bit off": lambda: RSA.sign()[:-8] + "AAAAAAAA",
    "another payload": lambda: (
        raw(b"", claims(sub="eve"), "").partition(".")[2].join([RSA.sign().partition(".")[0], ""])
    ),
    # Claims
    "another audience": lambda: RSA.sign(aud="others"),
    "an audience like it": lambda: RSA.sign(aud="ayes "),
    "other audiences": lambda: RSA.sign(aud=["others", "AYES"]),
    "no audience": lambda: RSA.sign(aud=...),
    "an empty list of audiences": lambda: RSA.sign(aud=[]),
    "an audience that is a number": lambda: RSA.sign(aud=[1]),
    "another issuer": signing(iss="https://evil.example"),
    "an issuer and a slash": signing(iss=ISSUER + "/"),
    "no issuer": lambda: RSA.sign(iss=...),
    "no exp": lambda: RSA.sign(exp=...),
    **{
        # Named without the time: two workers must collect the same tests.
        f"exp {value!r}".replace(str(NOW + 60), "soon"): signing(exp=value)
        for value in (None, "9999999999", True, [NOW + 60], 10**400, float("nan"), float("inf"))
    },
    "exp after the end of time": lambda: RSA.sign(exp=253_402_300_800 * 10),
    "nbf null": signing(nbf=None),
    "iat as text": signing(iat=str(NOW)),
    "no sub": lambda: RSA.sign(sub=...),
    **{
        f"sub {value!r:.12}": signing(sub=value)
        for value in (
            *("", " ", "\t", None, 12, True, ["ada"], {"id": "ada"}, "a" * 256),
            *("a\0b", "a\nb", "a\tb", "a\x1bb", "a\x7fb", "a\x85b", "a\ud800b", "a\rb"),
            *("\u3164", "\u200b\u2060", "\u2800", "\U000e0041"),
        )
    },
    # No tokens
    **{
        f"text {text!r:.12}": functools.partial(str, text)
        for text in (
            *("", " ", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "nonsense", "\0", "é.é.é"),
            *("\ud800.a.b", "{}", "null", "e30.e30.e30", "=.=.=", "x" * 16_385),
        )
    },
    "a token and a line": lambda: RSA.sign() + "\n",
    "a header that is a list": lambda: raw(b"[]", claims(), "AAAA"),
    "a deep header": lambda: raw(b'{"alg":' + b"[" * 5_000, claims(), "AAAA"),
    "claims that are a list": lambda: hs256_over(b"[]"),
    "claims that are no JSON": lambda: hs256_over(b"\xff\xfe"),
    "deep claims": lambda: hs256_over(b'{"sub":' + b"[" * 5_000 + b"]" * 5_000 + b"}"),
    "oversized": lambda: hs256(padding="x" * 16_384),
}


@pytest.mark.parametrize("name", GOOD)
async def test_a_good_token_is_taken(auth: Authenticator, name: str) -> None:
    identity = auth.check(GOOD[name]())
    assert identity.actor.user in ("ada", "u" * 255)
    assert datetime.now(UTC) < identity.expires < datetime.now(UTC) + timedelta(hours=1)


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_token_is_refused(auth: Authenticator, name: str) -> None:
    with pytest.raises(RetryableError) as refused:
        auth.check(BAD[name]())
    assert refused.value.code == ErrorCode.UNAUTHENTICATED
    assert (refused.value.message, refused.value.details) == ("There is no valid token.", {})


async def test_only_what_is_wrong_in_nothing_else_has_expired(auth: Authenticator) -> None:
    for expired in (RSA.sign(exp=NOW - 1), hs256(exp=NOW - 1), RSA.sign(exp=NOW - 9, iat=0)):
        with pytest.raises(RetryableError) as refused:
            auth.check(expired)
        assert refused.value.code == ErrorCode.AUTH_EXPIRED
    for worse in (RSA.sign(exp=1, aud="others"), hs256(exp=1, iss="x"), RSA.sign(exp=1, sub="")):
        with pytest.raises(RetryableError) as refused:
            auth.check(worse)
        assert refused.value.code == ErrorCode.UNAUTHENTICATED


def test_the_leeway_is_for_the_start_and_never_for_the_end() -> None:
    moment = datetime(2026, 11, 23, 8, tzinfo=UTC)
    auth = Authenticator(SECRET, audience=AUDIENCE, clock=lambda: moment)
    second = timedelta(seconds=1)

    def check(**changes: datetime) -> str:
        good = {"iat": moment, "exp": moment + second}
        numbers: dict[str, Any] = {name: at.timestamp() for name, at in (good | changes).items()}
        try:
            auth.check(hs256(**numbers))
        except RetryableError as err:
            return str(err.code)
        return "good"

    assert check() == "good"
    assert check(exp=moment) == "auth_expired"
    assert check(nbf=moment + LEEWAY) == "good"
    assert check(nbf=moment + LEEWAY + second) == "auth_early"
    assert check(iat=moment + 100 * LEEWAY) == "good"
    assert check(exp=moment, nbf=moment + 2 * LEEWAY) == "auth_expired"


async def test_an_early_token_says_how_long_to_wait(auth: Authenticator) -> None:
    for ahead, wait in ((900, 840_000), (10**6, MAX_EARLY_WAIT_MS)):
        with pytest.raises(RetryableError) as refused:
            auth.check(RSA.sign(nbf=NOW + ahead, exp=NOW + ahead + 600))
        assert refused.value.code == ErrorCode.AUTH_EARLY
        assert refused.value.retry_after_ms is not None
        # The test's time is slightly in the past.
        assert wait / 2 < refused.value.retry_after_ms <= wait


async def test_an_early_token_that_is_bad_besides_is_bad(auth: Authenticator) -> None:
    for worse in (RSA.sign(nbf=NOW + 90, aud="others"), RSA.sign(nbf=NOW + 90, sub="")):
        with pytest.raises(RetryableError) as refused:
            auth.check(worse)
        assert refused.value.code == ErrorCode.UNAUTHENTICATED


def test_clocks_that_differ_are_logged_once_a_minute_and_issuer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moment = datetime(2026, 11, 23, 8, tzinfo=UTC)
    auth = Authenticator(SECRET, audience=AUDIENCE, clock=lambda: moment)
    now = moment.timestamp()
    for _ in range(3):
        for issuer in ("https://id.example", "https://id.example\u202e\n"):
            auth.check(hs256(iss=issuer, iat=now + 15, exp=now + 60))
        auth.check(hs256(iat=now + 1, exp=now + 60, iss="https://right.example"))
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert all("15 s" in line for line in lines)
    assert not any("\n" in line or "\u202e" in line or "right" in line for line in lines)


def test_the_log_of_skews_is_bounded() -> None:
    clock = [0.0]
    throttle = LogThrottle(lambda: clock[0])
    assert sum(throttle.permits(f"issuer {number}") for number in range(10 * MAX_KEYS)) == MAX_KEYS
    clock[0] = LOG_INTERVAL_S
    assert throttle.permits("issuer 0")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("Ada", "Ada"),
        ("  Ada \n King\t", "Ada King"),
        ("A\0d\x1b[31ma\x7f", "Ad[31ma"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("\0\0", "ada"),
        ("", "ada"),
        ("n" * 500, "n" * 100),
        # Invisible characters are removed, and those that change the text's direction.
        ("\u202eadA\u202c", "adA"),
        ("A\u200bd\u2066a\u2069", "Ada"),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb"),
        ("\u3164", "ada"),
        ("\u1160 \u200b\U000e0041", "ada"),
        # Cut before it is parsed: its cost depends on the limit, not on the token.
        ("\u200b" * 400 + "Ada", "ada"),
        ("n" * 99 + "\u0915\u200d\u0915", "n" * 99 + "\u0915"),
    ],
    ids=ascii,
)
def test_a_strange_name_keeps_nobody_out(given: str, shown: str) -> None:
    auth = Authenticator(SECRET, audience=AUDIENCE)
    assert auth.check(hs256(name=given)).actor == ("ada", shown)


@pytest.mark.parametrize("name", TEXTS)
def test_a_token_costs_what_its_length_says(name: str) -> None:
    auth = Authenticator(SECRET, audience=AUDIENCE)
    text = TEXTS[name](8_000)

    def check() -> None:
        for token in (hs256(name=text), hs256(sub=text), text, f"{text}.e30.e30"):
            with contextlib.suppress(RetryableError):
                auth.check(token)

    assert cpu_s(check) < FRAME_CPU_S


def test_two_subjects_that_differ_in_bytes_are_two_users() -> None:
    auth = Authenticator(SECRET, audience=AUDIENCE)
    subjects = ["Zo\u00eb", "Zoe\u0308", "zo\u00eb", "\u212b", "\u00c5", "A\u030a"]
    users = [auth.check(hs256(sub=subject)).actor.user for subject in subjects]
    assert users == subjects


def test_a_subject_is_shown_as_a_name_would_be() -> None:
    auth = Authenticator(SECRET, audience=AUDIENCE)
    actor = auth.check(hs256(sub="a\u202ed\u200ba", name=...)).actor
    assert actor == ("a\u202ed\u200ba", "ada")


def test_without_an_issuer_s_keys_only_the_secret_counts() -> None:
    auth = Authenticator(SECRET, audience=AUDIENCE)
    for key in KEYS.values():
        with pytest.raises(RetryableError) as refused:
            auth.check(key.sign())
        assert refused.value.code == ErrorCode.UNAUTHENTICATED


def test_several_audiences_are_separated_by_commas() -> None:
    auth = Authenticator(SECRET, audience="https://api.example/ , ayes")
    for audience in ("https://api.example/", "ayes", ["x", "ayes"]):
        auth.check(hs256(aud=audience))
    for audience in ("https://api.example", "https://api.example/ , ayes", ""):
        with pytest.raises(RetryableError):
            auth.check(hs256(aud=audience))
    assert auth.check(auth.make("ada", None, timedelta(minutes=1))).actor.user == "ada"
