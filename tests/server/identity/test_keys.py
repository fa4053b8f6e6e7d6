"""The issuer's keys: the accepted keys of a key set, and when the set is fetched."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from protocol.errors import ErrorCode, RetryableError
from server.identity import jwks
from server.identity.auth import Authenticator, KeysPending
from server.identity.jwks import KeySet, KeySetError, read_key_set
from server.identity.keys import RemoteKeys
from tests.server.issuing import (
    Issuer,
    Key,
    ec_key,
    issuing,
    key_set,
    one_of_each,
    rsa_key,
    trusting,
    until,
)

RSA, EC, ED = (one_of_each()[name] for name in ("RS256", "ES256", "EdDSA"))
#: Fetches as often as a test needs them.
AT_ONCE: dict[str, Any] = {"cooldown_seconds": 0.0, "first_backoff": 0.01}


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as found:
        yield found


def code_of(auth: Authenticator, token: str) -> str:
    try:
        auth.check(token)
    except RetryableError as err:
        return str(err.code)
    return "good"


# Reading


def test_each_kind_of_key_verifies_its_own_algorithm_alone() -> None:
    found = read_key_set(key_set(RSA, EC, ED))
    assert {kid: list(named) for kid, named in found.items()} == {
        "rsa-1": ["RS256"],
        "ec-1": ["ES256"],
        "ed-1": ["EdDSA"],
    }


def private_jwk(key: Key) -> dict[str, Any]:
    kinds: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm}
    jwk: dict[str, Any] = kinds[key.algorithm].to_jwk(key.private, as_dict=True)
    jwk.pop("key_ops", None)
    return jwk | {"kid": key.kid}


LEFT_OUT: dict[str, Any] = {
    "a secret": {"kty": "oct", "kid": "x", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMzQ"},
    "a secret that calls itself RS256": {"kty": "oct", "kid": "x", "alg": "RS256", "k": "AAAA"},
    "a private key": private_jwk(RSA),
    "a private EC key": private_jwk(EC),
    "a short key": rsa_key("x", bits=1_024).jwk,
    "another curve": ec_key("x", ec.SECP384R1()).jwk,
    "a curve of the other kind": EC.jwk | {"kid": "x", "crv": "Ed25519"},
    "a point off the curve": EC.jwk | {"kid": "x", "y": EC.jwk["x"]},
    "Ed448": {"kty": "OKP", "crv": "Ed448", "kid": "x", "x": "A" * 76},
    "for encryption": RSA.jwk | {"kid": "x", "use": "enc"},
    "not for verifying": RSA.jwk | {"kid": "x", "key_ops": ["sign"]},
    "for another algorithm": RSA.jwk | {"kid": "x", "alg": "RS512"},
    "for HS256": RSA.jwk | {"kid": "x", "alg": "HS256"},
    "for none": RSA.jwk | {"kid": "x", "alg": "none"},
    "no name": {name: value for name, value in RSA.jwk.items() if name != "kid"},
    "an empty name": RSA.jwk | {"kid": ""},
    "a name too long": RSA.jwk | {"kid": "k" * 257},
    "a name that is none": RSA.jwk | {"kid": 1},
    "no kind": {"kid": "x", "n": RSA.jwk["n"], "e": "AQAB"},
    "half a key": {"kty": "RSA", "kid": "x", "e": "AQAB"},
    "no numbers": {"kty": "RSA", "kid": "x", "n": "!", "e": "AQAB"},
    "an exponent of one": RSA.jwk | {"kid": "x", "e": "AQ"},
    "no object": ["kty", "RSA"],
    "nothing": None,
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_key_that_is_not_for_us_is_left_out_and_the_others_stay(name: str) -> None:
    found = read_key_set(key_set(LEFT_OUT[name], ED))
    assert list(found) == ["ed-1"]


def test_of_two_keys_with_one_name_the_first_counts() -> None:
    found = read_key_set(key_set(RSA, rsa_key("rsa-1"), EC.jwk | {"kid": "rsa-1"}))
    assert sorted(found["rsa-1"]) == ["ES256", "RS256"]
    assert found["rsa-1"]["RS256"].key.public_numbers() == RSA.private.public_key().public_numbers()


@pytest.mark.parametrize(
    "document",
    [b"", b"<html>", b"[]", b"{}", b'{"keys":{}}', b'{"keys":null}', b"\xff", b'{"keys":' * 9_999],
)
def test_what_is_no_key_set_is_none(document: bytes) -> None:
    with pytest.raises(KeySetError):
        read_key_set(document)


# Fetching


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        ("404 Not Found", "", b"{}"),
        ("500 Broken", "", key_set(RSA)),
        ("301 Moved", "location: /other\r\n", b""),
        ("302 Found", "location: file:///etc/passwd\r\n", b""),
        ("307 Elsewhere", "location: http://127.0.0.1:9/keys\r\n", b""),
        ("200 OK", "", b" " * (jwks.MAX_KEY_SET_BYTES + 1)),
        ("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b"),
        ("204 Nothing", "", b""),
        ("banana", "", b""),
    ],
)
async def test_an_answer_that_is_no_key_set_changes_nothing(
    issuer: Issuer, status: str, headers: str, body: bytes
) -> None:
    async with trusting(issuer.url, **AT_ONCE, refresh_seconds=0.02) as auth:
        await auth.check_patiently(RSA.sign())
        issuer.status, issuer.headers, issuer.body = status, headers, body
        issuer.asked.clear()
        await until(lambda: len(issuer.asked) >= 2)
        assert set(issuer.asked) == {"GET /keys HTTP/1.1"}
        assert code_of(auth, RSA.sign()) == "good"
        assert code_of(auth, rsa_key("unknown").sign()) == "overloaded"


async def test_an_empty_key_set_is_believed(issuer: Issuer) -> None:
    issuer.body = key_set()
    async with trusting(issuer.url) as auth:
        with pytest.raises(RetryableError) as refused:
            await auth.check_patiently(RSA.sign())
        assert refused.value.code == ErrorCode.UNAUTHENTICATED


async def test_the_keys_are_there_without_anybody_asking(issuer: Issuer) -> None:
    async with trusting(issuer.url) as auth:
        await until(lambda: code_of(auth, RSA.sign()) == "good")
        assert [code_of(auth, key.sign()) for key in (EC, ED)] == ["good", "good"]
        assert len(issuer.asked) == 1


async def test_a_check_never_waits(issuer: Issuer) -> None:
    issuer.open.clear()
    async with trusting(issuer.url) as auth:
        for _ in range(100):
            # The issuer runs on this loop: a check that blocked on it would never end.
            with pytest.raises(KeysPending) as pending:
                auth.check(RSA.sign())
        assert pending.value.code == ErrorCode.OVERLOADED
        assert pending.value.retry_after_ms is not None


async def test_rotation_new_keys_are_found_and_old_ones_end(issuer: Issuer) -> None:
    new = rsa_key("rsa-2")
    async with trusting(issuer.url, **AT_ONCE) as auth:
        await auth.check_patiently(RSA.sign())
        issuer.body = key_set(RSA, new)
        assert (await auth.check_patiently(new.sign(sub="new"))).actor.user == "new"
        assert code_of(auth, RSA.sign()) == "good"
        issuer.body = key_set(new)
        with pytest.raises(RetryableError):
            await auth.check_patiently(rsa_key("third").sign())
        with pytest.raises(RetryableError) as refused:
            await auth.check_patiently(RSA.sign())
        assert refused.value.code == ErrorCode.UNAUTHENTICATED
        assert code_of(auth, new.sign()) == "good"


async def test_a_key_that_was_replaced_under_its_name_counts_no_more(issuer: Issuer) -> None:
    other = rsa_key("rsa-1")
    async with trusting(issuer.url, **AT_ONCE, refresh_seconds=0.02) as auth:
        await auth.check_patiently(RSA.sign())
        issuer.body = key_set(other)
        await until(lambda: code_of(auth, other.sign()) == "good")
        assert code_of(auth, RSA.sign()) == "unauthenticated"


async def test_made_up_names_do_not_make_us_ask_again_and_again(issuer: Issuer) -> None:
    async with trusting(issuer.url, cooldown_seconds=0.3) as auth:
        await auth.check_patiently(RSA.sign())
        token = RSA.sign(headers={"kid": "unknown"})
        with pytest.raises(RetryableError) as refused:
            await auth.check_patiently(token)
        # The issuer was asked after the token came, and does not have the key: that is final.
        assert refused.value.code == ErrorCode.UNAUTHENTICATED
        assert len(issuer.asked) == 2
        for _ in range(100):
            assert code_of(auth, token) == "unauthenticated"
        began = time.monotonic()
        for number in range(3_000):
            with pytest.raises(KeysPending):
                auth.check(f"{_header(number)}.e30.AAAA")
        await until(lambda: len(issuer.asked) >= 3)
        assert len(issuer.asked) <= 3 + (time.monotonic() - began) / 0.3
        assert code_of(auth, RSA.sign()) == "good"


def _header(number: int) -> str:
    header = json.dumps({"alg": "RS256", "kid": f"made-up-{number}"}).encode()
    return base64.urlsafe_b64encode(header).decode().rstrip("=")


async def test_an_issuer_that_is_down_decides_nothing(
    issuer: Issuer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A hello that waited for the issuer's timeout would not be answered.
    monkeypatch.setattr("server.identity.keys.KEY_WAIT_TIMEOUT_S", 3_600.0)
    await issuer.stop()
    async with trusting(issuer.url, first_backoff=0.05) as auth:
        with pytest.raises(KeysPending):
            await auth.check_patiently(RSA.sign())
        with pytest.raises(KeysPending):
            await auth.check_patiently(RSA.sign())
        await issuer.start()
        await until(lambda: code_of(auth, RSA.sign()) == "good")
    assert "cannot be fetched" in caplog.text


async def test_an_issuer_that_goes_down_leaves_its_keys(issuer: Issuer) -> None:
    async with trusting(issuer.url, **AT_ONCE, refresh_seconds=0.02) as auth:
        await auth.check_patiently(RSA.sign())
        await issuer.stop()
        with pytest.raises(KeysPending):
            await auth.check_patiently(rsa_key("new").sign())
        assert code_of(auth, RSA.sign()) == "good"


async def test_an_issuer_that_never_answers_holds_a_hello_for_its_patience_only(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.identity.keys.KEY_WAIT_TIMEOUT_S", 0.2)
    issuer.open.clear()
    async with trusting(issuer.url) as auth:
        began = time.monotonic()
        with pytest.raises(KeysPending):
            await auth.check_patiently(RSA.sign())
        assert time.monotonic() - began > 0.15
        issuer.open.set()
        await until(lambda: code_of(auth, RSA.sign()) == "good")


async def test_a_fetch_that_hangs_is_given_up_and_gets_no_second_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "server.identity.jwks.FETCH_TIMEOUT_S", -0.95
    )  # one second later it is given up
    free = threading.Event()
    calls: list[str] = []

    def hang(url: str) -> KeySet:
        calls.append(url)
        free.wait(20)
        return read_key_set(key_set(RSA))

    keys = RemoteKeys("https://issuer.example", load=hang, first_backoff=0.01)
    keys.start()
    keys.want("rsa-1")
    await until(lambda: keys.failures >= 3)
    assert len(calls) == 1
    assert keys.find("rsa-1") is None
    free.set()
    await until(lambda: keys.find("rsa-1") is not None)
    await keys.stop()


async def test_stopping_does_not_wait_for_a_fetch(issuer: Issuer) -> None:
    issuer.open.clear()
    async with asyncio.timeout(20):
        async with trusting(issuer.url):
            await until(lambda: issuer.asked)
