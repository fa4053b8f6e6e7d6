"""Tokens on real sockets: opening, renewal, expiry; with an issuer's keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.fixtures.servers import Start
from tests.promises.client import Client
from tests.promises.running import Running, running, token
from tests.promises.scenes import fresh
from tests.server.issuing import Issuer, issuing, key_set, one_of_each, rsa_key, trusting, until

RSA = one_of_each()["RS256"]


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing() as found:
        yield found


@pytest.fixture
async def trusted(migrated_url: str, issuer: Issuer) -> AsyncIterator[Running]:
    """A server that uses the issuer's keys, and fetches them as often as needed."""
    options: dict[str, Any] = {"cooldown_seconds": 0.0, "first_backoff": 0.05}
    async with (
        trusting(issuer.url, **options) as auth,
        running(migrated_url, authenticator=auth) as found,
    ):
        yield found


async def turned_away(server: Running, token: str) -> tuple[str, int]:
    """The error that answers a hello, and the close code."""
    client = await server.open()
    answer = await client.hello(token)
    assert answer["type"] == "error", answer
    return answer["code"], await client.gone()


async def ping(client: Client) -> bool:
    answer = await client.request({"type": "ping", "ref": "ping"})
    return answer == {"type": "pong", "ref": "ping", "time": answer["time"]}


async def test_an_issuer_s_token_opens_a_socket(trusted: Running) -> None:
    for key in one_of_each().values():
        client = await trusted.open()
        assert (await client.hello(key.sign(sub=f"user-of-{key.kid}")))["type"] == "welcome"


async def test_each_way_to_be_turned_away_has_its_code(trusted: Running) -> None:
    client = await trusted.open()
    await client.hello(RSA.sign())
    assert await turned_away(trusted, token("ada")) == ("unauthenticated", 4500)
    assert await turned_away(trusted, RSA.sign(aud="others")) == ("unauthenticated", 4500)
    assert await turned_away(trusted, rsa_key("unknown").sign()) == ("unauthenticated", 4500)
    assert await turned_away(trusted, RSA.sign(exp=int(time.time()))) == ("auth_expired", 4401)


async def test_a_hello_waits_for_a_key_that_is_new(trusted: Running, issuer: Issuer) -> None:
    first = await trusted.open()
    await first.hello(RSA.sign())
    new = rsa_key("rsa-2")
    issuer.body = key_set(RSA, new)
    second = await trusted.open()
    assert (await second.hello(new.sign(sub="second")))["user"]["id"] == "second"
    assert await ping(first)


async def test_while_the_issuer_is_down_nobody_is_told_to_stop(
    trusted: Running, issuer: Issuer
) -> None:
    """4004 is below 4500, so the client comes back, and is then accepted."""
    client = await trusted.open()
    await client.hello(RSA.sign(sub="first"))
    await issuer.stop()
    new = rsa_key("rsa-2")
    assert await turned_away(trusted, new.sign()) == ("overloaded", 4004)
    again = await trusted.open()
    assert (await again.hello(RSA.sign(sub="known")))["type"] == "welcome"
    issuer.body = key_set(RSA, new)
    await issuer.start()
    renewed: dict[str, Any] = {}
    while renewed.get("type") != "authenticated":
        renewed = await client.request({"type": "auth", "ref": "a", "token": new.sign(sub="first")})
        assert renewed["type"] == "authenticated" or renewed["code"] == "overloaded"
        await asyncio.sleep(0.02)


async def test_over_http_an_unknown_key_is_looked_for_and_the_client_comes_back(
    trusted: Running, issuer: Issuer
) -> None:
    new = rsa_key("rsa-2")
    await (await trusted.open()).hello(RSA.sign())
    issuer.body = key_set(RSA, new)
    headers = {"authorization": f"Bearer {new.sign()}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{trusted.port}") as client:
        answer = await client.get("/v1/events", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        while answer.status_code == 503:
            await asyncio.sleep(0.02)
            answer = await client.get("/v1/events", headers=headers)
        assert answer.status_code == 200
        for bad in (rsa_key("rsa-2").sign(), "nonsense", "a b"):
            answer = await client.get("/v1/events", headers={"authorization": f"Bearer {bad}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_client_that_goes_while_its_key_is_fetched_leaves_nothing(
    trusted: Running, issuer: Issuer
) -> None:
    await (await trusted.open()).hello(RSA.sign())
    issuer.open.clear()
    new = rsa_key("rsa-2")
    issuer.body = key_set(RSA, new)
    client = await trusted.open()
    await client.say({"type": "hello", "token": new.sign(sub="gone")})
    await until(lambda: len(issuer.asked) >= 2)
    await client.drop()
    await until(lambda: len(trusted.node.sockets.all) == 1)
    issuer.open.set()
    await until(lambda: not trusted.node._running._tasks)
    assert not trusted.node.connections.of("gone")


# Renewal and expiry


async def test_renewal_moves_the_end(start: Start) -> None:
    server = await start(expiry_grace_seconds=0)
    user = fresh("user")
    client = await server.open(user)
    await client.hello(token(user, seconds=2))
    later = await client.ask("auth", token=token(user, seconds=600))
    assert later["expires"] > client.welcome["time"]
    (session,) = server.node.connections.of(user)
    assert session.identity is not None
    assert session.identity.expires.timestamp() > time.time() + 500


@pytest.mark.parametrize("what", ["another user", "expired", "forged", "no token"])
async def test_what_renews_nothing_changes_nothing(server: Running, what: str) -> None:
    user = fresh("user")
    client = await server.connect(user)
    (session,) = server.node.connections.of(user)
    before = session.identity
    given, code = {
        "another user": (token("eve"), "unauthenticated"),
        "expired": (token(user, seconds=-1), "auth_expired"),
        "forged": (token(user)[:-6] + "AAAAAA", "unauthenticated"),
        "no token": ("x", "unauthenticated"),
    }[what]
    answer = await client.request({"type": "auth", "ref": "renew", "token": given})
    assert (answer["type"], answer["code"]) == ("error", code)
    assert session.identity is before
    assert await ping(client)


async def test_within_the_grace_an_expired_token_can_be_renewed(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.sessions.keepalive.TICK_INTERVAL_S", 0.05)
    server = await start(expiry_grace_seconds=30)
    user = fresh("user")
    client = await server.open(user)
    await client.hello(token(user, seconds=0.3))
    (session,) = server.node.connections.of(user)
    expired = session.identity
    assert expired is not None
    await until(lambda: expired.expires.timestamp() < time.time() - 0.2)
    await client.refused("auth_expired", "event.create", subject="Too late")
    await client.ask("auth", token=token(user))
    await client.ack("event.create", subject="In time")
