"""Users who sign in with an OpenID Connect provider: accepted tokens, and where keys are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import pytest

from protocol.errors import ErrorCode, RetryableError
from server.identity.auth import Authenticator, authenticator_for
from server.identity.jwks import KeySetError
from server.identity.keys import RemoteKeys
from server.identity.provider import DISCOVERY_TTL_S, MAX_FETCHES, Provider
from tests.fixtures.servers import Start
from tests.promises.running import settings_for
from tests.server.issuing import Key, claims, key_set, one_of_each

ISSUER = "https://issuer.example/realm"
CLIENT = "the-page"
SECRET = "a secret of the tests, long enough for HS256"
KEYS = one_of_each()
RSA = KEYS["RS256"]


def document(**changes: Any) -> bytes:
    """The provider's metadata; ``...`` removes a field."""
    told = {
        "issuer": ISSUER,
        "jwks_uri": f"{ISSUER}/keys",
        "token_endpoint": "https://tokens.issuer.example/token",
        "authorization_endpoint": f"{ISSUER}/auth",
    }
    return json.dumps({k: v for k, v in (told | changes).items() if v is not ...}).encode()


class Net:
    """Answers to fetches, by address; an exception is raised."""

    def __init__(self, **changes: Any) -> None:
        self.asked: list[str] = []
        self.found: dict[str, bytes | Exception] = {
            f"{ISSUER}/.well-known/openid-configuration": document(**changes),
            f"{ISSUER}/keys": key_set(*KEYS.values()),
        }

    def fetch(self, url: str) -> bytes:
        """Fetch as ``jwks.fetch`` does."""
        self.asked.append(url)
        found = self.found.get(url, KeySetError("the answer was 404"))
        if isinstance(found, Exception):
            raise found
        return found


@asynccontextmanager
async def signing_in(
    secret: str | None = None, *, net: Net | None = None, shared_keys: bool = False
) -> AsyncIterator[Authenticator]:
    """An authenticator for the provider's tokens."""
    provider = Provider(ISSUER, CLIENT, fetch=(net or Net()).fetch)
    keys = RemoteKeys(provider.address, load=provider.load, fetches=MAX_FETCHES)
    auth = Authenticator(
        secret, audience="ayes", keys=keys, provider=provider, shared_keys=shared_keys
    )
    auth.start()
    try:
        yield auth
    finally:
        await auth.stop()


def id_token(key: Key = RSA, *, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """A token as the provider gives it to the page; ``...`` removes a claim."""
    good = {"iss": ISSUER, "aud": CLIENT, "nonce": "n", "name": "Ada King"}
    return key.sign(headers=headers, **(good | changes))


GOOD: dict[str, Callable[[], str]] = {
    **{name: lambda key=key: id_token(key) for name, key in KEYS.items()},  # type: ignore[misc]
    "a party that is the page": lambda: id_token(azp=CLIENT),
    "a list of one audience": lambda: id_token(aud=[CLIENT]),
    "several audiences, for the page": lambda: id_token(aud=["api", CLIENT], azp=CLIENT),
    "no type": lambda: id_token(headers={"typ": None}),
    "a type": lambda: id_token(headers={"typ": "jwt"}),
}
BAD: dict[str, Callable[[], str]] = {
    "another issuer": lambda: id_token(iss="https://issuer.example/other"),
    "an issuer and a slash": lambda: id_token(iss=ISSUER + "/"),
    "no issuer": lambda: id_token(iss=...),
    "another client": lambda: id_token(aud="another-page"),
    "no audience": lambda: id_token(aud=...),
    "an empty list of audiences": lambda: id_token(aud=[]),
    "a number among the audiences": lambda: id_token(aud=[CLIENT, 1], azp=CLIENT),
    "the server's own audience": lambda: id_token(aud="ayes"),
    "several audiences, for nobody": lambda: id_token(aud=["api", CLIENT]),
    "several audiences, for another": lambda: id_token(aud=["api", CLIENT], azp="api"),
    "one audience, for another": lambda: id_token(azp="api"),
    "a party that is null": lambda: id_token(azp=None),
    "parties": lambda: id_token(azp=[CLIENT]),
    "an access token": lambda: id_token(headers={"typ": "at+jwt"}),
    "an access token, in full": lambda: id_token(headers={"typ": "application/at+jwt"}),
    "news of a sign-out": lambda: id_token(headers={"typ": "logout+jwt"}),
    "a type that is no text": lambda: id_token(headers={"typ": 1}),
    "the client's name as a secret": lambda: jwt.encode(
        claims(iss=ISSUER, aud=CLIENT), CLIENT * 8, "HS256", headers={"kid": "rsa-1"}
    ),
    "no exp": lambda: id_token(exp=...),
    "no sub": lambda: id_token(sub=...),
}


async def ready(auth: Authenticator) -> None:
    """Wait for the first keys."""
    await auth.check_patiently(id_token())


@pytest.mark.parametrize("name", GOOD)
async def test_whom_the_provider_knows_is_let_in(name: str) -> None:
    async with signing_in() as auth:
        identity = await auth.check_patiently(GOOD[name]())
        assert identity.actor == ("ada", "Ada King")


@pytest.mark.parametrize("name", BAD)
async def test_whom_it_tells_others_about_is_not(name: str) -> None:
    async with signing_in() as auth:
        await ready(auth)
        with pytest.raises(RetryableError) as refused:
            await auth.check_patiently(BAD[name]())
        assert refused.value.code == ErrorCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"name": "Ada", "preferred_username": "ada77"}, "Ada"),
        ({"name": ..., "preferred_username": "ada77"}, "ada77"),
        ({"name": "", "preferred_username": "ada77"}, "ada77"),
        ({"name": ..., "preferred_username": 7}, "ada"),
        ({"name": ...}, "ada"),
    ],
)
async def test_a_person_is_called_what_the_provider_says(told: dict[str, Any], shown: str) -> None:
    async with signing_in() as auth:
        assert (await auth.check_patiently(id_token(**told))).actor == ("ada", shown)


async def test_a_username_is_a_name_only_in_an_id_token() -> None:
    auth = Authenticator(SECRET, audience="ayes")
    token = jwt.encode(claims(preferred_username="eve"), SECRET, "HS256")
    assert auth.check(token).actor.name == "ada"


async def test_a_secret_given_beside_makes_tokens_of_its_own() -> None:
    async with signing_in(SECRET) as auth:
        assert auth.check(jwt.encode(claims(), SECRET, "HS256")).actor.user == "ada"
        # A secret is never accepted for the provider's tokens.
        with pytest.raises(RetryableError) as refused:
            auth.check(jwt.encode(claims(iss=ISSUER, aud=CLIENT), SECRET, "HS256"))
        assert refused.value.code == ErrorCode.UNAUTHENTICATED


async def test_keys_that_were_named_go_on_to_sign_tokens_for_the_audience() -> None:
    async with signing_in(shared_keys=True) as auth:
        await ready(auth)
        assert auth.check(id_token(aud="ayes", iss=...)).actor.user == "ada"
        with pytest.raises(RetryableError):
            auth.check(id_token(iss="https://issuer.example/other"))


async def test_an_expired_token_is_told_apart() -> None:
    async with signing_in() as auth:
        await ready(auth)
        with pytest.raises(RetryableError) as refused:
            auth.check(id_token(exp=1))
        assert refused.value.code == ErrorCode.AUTH_EXPIRED


# The provider's document


@pytest.mark.parametrize(
    "changes",
    [
        *({"issuer": name} for name in ("https://evil.example", ISSUER + "/", "", None, ...)),
        *({"jwks_uri": url} for url in ("http://issuer.example/k", "file:///keys", "", None, ...)),
        {"jwks_uri": "http://127.0.0.1/keys"},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"token_endpoint": "javascript:1"},
    ],
    ids=str,
)
def test_a_document_that_is_not_the_provider_s_is_not_believed(changes: dict[str, Any]) -> None:
    provider = Provider(ISSUER, CLIENT, fetch=Net(**changes).fetch)
    with pytest.raises(KeySetError):
        provider.load()
    assert provider.origins() == {"https://issuer.example"}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"[" * 5_000, b"<html>"])
def test_a_document_that_is_none_is_told(body: bytes) -> None:
    net = Net()
    net.found[f"{ISSUER}/.well-known/openid-configuration"] = body
    with pytest.raises(KeySetError):
        Provider(ISSUER, CLIENT, fetch=net.fetch).load()


def test_the_document_is_kept_and_asked_for_again_when_the_keys_have_moved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 1_000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    net = Net()
    provider = Provider(ISSUER, CLIENT, fetch=net.fetch)
    for _ in range(3):
        assert provider.load().keys() == {key.kid for key in KEYS.values()}
    about, keys = f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"
    assert net.asked == [about, keys, keys, keys]
    now += DISCOVERY_TTL_S
    provider.load()
    assert net.asked[4:] == [about, keys]
    net.found[about] = document(jwks_uri=f"{ISSUER}/moved")
    net.found[f"{ISSUER}/moved"] = net.found.pop(keys)
    with pytest.raises(KeySetError):
        provider.load()
    assert provider.load()
    assert net.asked[6:] == [keys, about, f"{ISSUER}/moved"]


def test_keys_at_an_address_of_ours_need_no_document() -> None:
    net = Net()
    net.found.pop(f"{ISSUER}/.well-known/openid-configuration")
    url = "https://keys.example/keys"
    net.found[url] = net.found.pop(f"{ISSUER}/keys")
    provider = Provider(ISSUER, CLIENT, jwks_url=url, fetch=net.fetch)
    assert provider.load()
    assert provider.origins() == {"https://issuer.example"}
    # Later checks do not wait for it.
    provider.load()
    assert net.asked == [provider.address, url, url]


def test_the_page_may_ask_the_provider_and_where_its_tokens_are() -> None:
    provider = Provider(ISSUER, CLIENT, fetch=Net().fetch)
    provider.load()
    assert provider.origins() == {"https://issuer.example", "https://tokens.issuer.example"}


def test_the_page_may_ask_where_a_token_is_revoked() -> None:
    net = Net(revocation_endpoint="https://revoke.issuer.example/r")
    provider = Provider(ISSUER, CLIENT, fetch=net.fetch)
    provider.load()
    assert "https://revoke.issuer.example" in provider.origins()


@pytest.mark.parametrize("url", ["http://127.0.0.1/r", "javascript:1", "", None])
def test_one_signs_in_where_the_place_to_revoke_is_none(url: str | None) -> None:
    provider = Provider(ISSUER, CLIENT, fetch=Net(revocation_endpoint=url).fetch)
    assert provider.load()
    assert provider.origins() == {"https://issuer.example", "https://tokens.issuer.example"}


@pytest.mark.parametrize("issuer", ["https://a.example", "https://a.example/"])
def test_a_slash_at_the_end_makes_no_two(issuer: str) -> None:
    address = "https://a.example/.well-known/openid-configuration"
    assert Provider(issuer, CLIENT).address == address


# In a server


async def test_a_server_whose_provider_is_gone_starts_and_says_what_is_known(
    start: Start, migrated_url: str
) -> None:
    #: Port 9 (discard) has no listener here.
    changes = {"oidc_issuer": "http://127.0.0.1:9/realm", "oidc_client_id": CLIENT}
    settings = settings_for(migrated_url, auth_secret=None, **changes)
    server = await start(authenticator=authenticator_for(settings), auth_secret=None, **changes)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", trust_env=False
    ) as http:
        told = (await http.get("/v1/page.json")).json()
        assert told["oidc"] == {
            "issuer": "http://127.0.0.1:9/realm",
            "client_id": CLIENT,
            "scopes": "openid profile offline_access",
        }
        assert told["local"] is False
        policy = (await http.get("/")).headers["content-security-policy"]
        assert " http://127.0.0.1:9;" in policy
        answer = await http.get("/v1/events", headers={"authorization": f"Bearer {id_token()}"})
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    client = await server.open()
    assert (await client.hello(id_token()))["code"] == "overloaded"
    # Below 4500, so the client comes back.
    assert await client.gone() == 4004
