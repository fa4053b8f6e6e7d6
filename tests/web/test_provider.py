"""Signing in with a real OpenID Connect provider, from the first click to the last token."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.web.conftest import Visit, Visitor
from tests.web.identity import CLIENT, identity_provider
from tests.web.place import Place, StartPlace, at_provider, start_place, visiting
from tests.web.test_signin import does, opened

__all__ = ["start_place"]

pytestmark = pytest.mark.usefixtures("blank")


async def arriving(visit: Visit, place: Place, path: str = "/") -> Visitor:
    """A user at the site, with the sign-in module open."""
    visitor = await visiting(visit, place, path)
    found = await opened(visitor.page)
    assert found["ways"] == {"provider": True, "name": False, "token": True}
    return visitor


async def go(page: Page, path: str = "withProvider()") -> None:
    """Go to the provider."""
    await page.evaluate(
        f"() => {{ signin.{path}.catch((error) => {{ window.left = error.code }}) }}"
    )


async def signs_in(visitor: Visitor, place: Place, login: str = "ada") -> dict[str, Any]:
    """Sign in there and come back; return the state of the page."""
    page = visitor.page
    await go(page)
    await at_provider(page, login)
    await page.wait_for_url(f"{place.site.base}/?**")
    return await opened(page)


async def test_somebody_signs_in_and_is_let_in(start_place: StartPlace, visit: Visit) -> None:
    place = await start_place()
    ada = await arriving(visit, place, "/#/join/ABC123")
    found = await signs_in(ada, place)
    assert found["user"] == {"way": "provider", "name": "ada of the provider"}
    # The place before signing in, without a trace of the code.
    assert (found["error"], found["at"]) == (None, "/#/join/ABC123")
    given = (await does(ada.page, "token()"))["result"]
    client = await place.site.open()
    welcome = await client.hello(given)
    assert welcome["user"] == {"id": "ada", "name": "ada of the provider"}
    # A reload does not sign in again, and nothing is left of the old sign-in to be used again.
    await ada.page.goto(f"{place.site.base}/?code=old&state=old")
    found = await opened(ada.page)
    assert (found["user"]["name"], found["error"]) == ("ada of the provider", None)
    assert "verifier" not in found["kept"]


@pytest.mark.parametrize("minutes", [-8, 8])
async def test_a_clock_that_is_minutes_off_keeps_nobody_out(
    start_place: StartPlace, visit: Visit, minutes: int
) -> None:
    place = await start_place(token_seconds=3000)
    ada = await arriving(visit, place)
    await ada.context.clock.install(time=datetime.now(UTC) + timedelta(minutes=minutes))
    await ada.page.goto(place.site.base)
    await opened(ada.page)
    found = await signs_in(ada, place)
    assert (found["error"], found["user"]["way"]) == (None, "provider")
    # The present token is the one that came: by this clock it expired long ago, or is from the
    # future.
    first, second = [(await does(ada.page, "token()"))["result"] for _ in range(2)]
    assert first == second
    client = await place.site.open()
    assert (await client.hello(first))["type"] == "welcome"


async def test_who_says_no_is_back_where_they_were(start_place: StartPlace, visit: Visit) -> None:
    place = await start_place()
    eve = await arriving(visit, place, "/#/e/1")
    await go(eve.page)
    await eve.page.get_by_role("link", name="Cancel").click()
    await eve.page.wait_for_url(f"{place.site.base}/?**")
    found = await opened(eve.page)
    assert (found["error"], found["user"], found["at"]) == ("denied", None, "/#/e/1")


async def test_an_answer_with_another_state_or_code_signs_nobody_in(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place()
    ada = await arriving(visit, place)
    await go(ada.page)
    await expect(ada.page.get_by_placeholder("login")).to_be_visible()
    forged = f"{place.site.base}/?code=forged&state=forged"
    await ada.page.goto(forged)
    assert (await opened(ada.page))["error"] == "state"
    # With the right state, a code that the provider never gave
    state = await ada.page.evaluate(
        "() => JSON.parse(sessionStorage.getItem('ayes.signin.asked')).state"
    )
    issuer = place.provider.issuer
    await ada.page.goto(f"{place.site.base}/?code=forged&state={state}&iss={issuer}")
    found = await opened(ada.page)
    assert (found["error"], found["user"]) == ("provider", None)
    # Another provider's answer (RFC 9207)
    await go(ada.page)
    await expect(ada.page.get_by_placeholder("login")).to_be_visible()
    await ada.page.goto(f"{place.site.base}/healthz")
    state = await ada.page.evaluate(
        "() => JSON.parse(sessionStorage.getItem('ayes.signin.asked')).state"
    )
    await ada.page.goto(f"{place.site.base}/?code=x&state={state}&iss=https://evil.example")
    assert (await opened(ada.page))["error"] == "provider"


async def test_the_sdk_stays_on_one_socket_with_one_token_after_another(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place(token_seconds=4)
    ada = await arriving(visit, place)
    await signs_in(ada, place)
    await ada.page.evaluate(
        """async () => {
            const { Client } = await import("/sdk/ayes.js");
            window.asked = [];
            window.statuses = [];
            window.client = new Client(location.origin, {
                token: async () => { const t = await signin.token(); asked.push(t); return t; },
            });
            client.addEventListener("status", () => statuses.push(client.status));
            client.start();
            await client.ready;
        }"""
    )
    [session] = place.site.node.sockets.all
    first = session.identity
    assert first is not None
    # Longer than a token's life
    async with asyncio.timeout(30):
        while len(set(await ada.page.evaluate("() => asked"))) < 3:
            await asyncio.sleep(0.1)
    assert session in place.site.node.sockets.all
    assert session.identity is not None
    assert session.identity.expires > first.expires
    assert await ada.page.evaluate("() => [client.status, client.user.id]") == ["open", "ada"]
    assert await ada.page.evaluate("() => statuses.filter((s) => s === 'open').length") == 1


async def test_while_the_provider_is_gone_a_token_is_used_to_its_end(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place(token_seconds=300)
    ada = await arriving(visit, place)
    ada.watch.allow(r"net::ERR_")
    await signs_in(ada, place)
    await place.provider.stop()
    good = (await does(ada.page, "token()"))["result"]
    assert good.count(".") == 2
    await does(ada.page, "ended()")
    found = await does(ada.page, "token()")
    # Still signed in: the renewal may work later.
    assert (found["result"], found["user"]["way"]) == ("provider", "provider")
    # The provider is back without its sessions: only a new sign-in helps.
    async with identity_provider(place.site.base, port=place.provider.port, token_seconds=300):
        found = await does(ada.page, "token()")
        assert (found["result"], found["user"], found["error"]) == ("expired", None, "expired")
        # This works, with the provider's new keys.
        await signs_in(ada, place)
        given = (await does(ada.page, "token()"))["result"]
        client = await place.site.open()
        async with asyncio.timeout(20):
            while (await client.hello(given))["type"] != "welcome":
                client = await place.site.open()
                await asyncio.sleep(0.2)
                given = (await does(ada.page, "token()"))["result"]


async def test_without_a_refresh_token_the_sign_in_ends_with_its_token(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place(token_seconds=300, refresh=False)
    ada = await arriving(visit, place)
    await signs_in(ada, place)
    assert (await does(ada.page, "token()"))["result"].count(".") == 2
    await does(ada.page, "ended()")
    found = await does(ada.page, "token()")
    assert (found["result"], found["user"], found["error"]) == ("expired", None, "expired")
    # The provider still has their session: one click signs them in again.
    await go(ada.page)
    await ada.page.wait_for_url(f"{place.site.base}/?**")
    assert (await opened(ada.page))["user"]["name"] == "ada of the provider"


async def test_signing_out_ends_the_provider_s_session_too(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place()
    ada = await arriving(visit, place)
    await signs_in(ada, place)
    await go(ada.page, "outAtProvider()")
    await ada.page.get_by_role("button", name="Yes, sign me out").click()
    await ada.page.wait_for_url(f"{place.site.base}/**")
    found = await opened(ada.page)
    assert (found["user"], found["kept"]) == (None, "")
    # The provider asks for the user again.
    await go(ada.page)
    await expect(ada.page.get_by_placeholder("login")).to_be_visible()


async def test_signing_out_takes_the_refresh_token_back(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place()
    ada = await arriving(visit, place)
    await signs_in(ada, place)
    refresh = await ada.page.evaluate(
        "() => JSON.parse(sessionStorage.getItem('ayes.signin.kept')).refresh"
    )
    # The provider's page, which would end its session, has not been answered yet.
    await go(ada.page, "outAtProvider()")
    await place.provider.revoked()
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": CLIENT}
    answer = await ada.context.request.post(f"{place.provider.issuer}/token", form=form)
    assert (answer.status, (await answer.json())["error"]) == (400, "invalid_grant")


async def test_signing_out_does_not_wait_for_the_refresh_token(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place()
    ada = await arriving(visit, place)
    ada.watch.allow(r"net::ERR_")
    await signs_in(ada, place)
    held: list[Route] = []
    await ada.context.route("**/token/revocation", lambda route: held.append(route))
    await go(ada.page, "outAtProvider()")
    await expect(ada.page.get_by_role("button", name="Yes, sign me out")).to_be_visible()
    assert len(held) == 1
    await held[0].abort()


async def test_a_renewal_that_comes_after_signing_out_is_taken_back(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place()
    ada = await arriving(visit, place)
    await signs_in(ada, place)
    revoked: list[str] = []
    ada.page.on(
        "request",
        lambda asked: revoked.append(asked.post_data or "") if "revocation" in asked.url else None,
    )
    fresh = {"token_type": "bearer", "access_token": "a", "refresh_token": "late"}

    async def late(route: Route) -> None:
        await ada.page.evaluate("() => signin.out()")
        token = await ada.page.evaluate("() => window.given")
        answer = json.dumps(fresh | {"id_token": token})
        headers = {"access-control-allow-origin": place.site.base}
        await route.fulfill(body=answer, content_type="application/json", headers=headers)

    await ada.page.evaluate("async () => { window.given = await signin.token(); }")
    await ada.context.route(f"{place.provider.issuer}/token", late)
    await does(ada.page, "ended()")
    found = await does(ada.page, "token()")
    assert (found["result"], found["user"]) == ("expired", None)
    async with asyncio.timeout(30):
        while len(revoked) < 2:
            await asyncio.sleep(0.05)
    assert "token=late&" in revoked[1] + "&"


async def test_a_provider_that_is_out_of_reach_is_told(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place()
    ada = await arriving(visit, place)
    ada.watch.allow(r"net::ERR_")
    await place.provider.stop()
    assert (await does(ada.page, "withProvider()"))["result"] == "provider"
