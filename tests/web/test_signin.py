"""Signing in by name, and with a token from elsewhere, as the page does it."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Page, Route

from tests.promises.running import Running, auth, token
from tests.web.conftest import StartSite, Visit, Visitor

#: The state that a page would show.
TOLD = """
    const told = () => ({
        user: signin.user, error: signin.error?.code ?? null, ways: signin.ways,
        ends: signin.expires?.getTime() ?? null, changes: window.changes,
        at: location.pathname + location.search + location.hash,
        kept: Object.values(sessionStorage).join(),
    });
"""
OPEN = f"""async () => {{
    {TOLD}
    const {{ SignIn }} = await import("/app/signin/signin.js");
    window.signin = await SignIn.open();
    window.changes = 0;
    signin.addEventListener("change", () => window.changes += 1);
    return told();
}}"""
DAY = 86_400_000

pytestmark = pytest.mark.usefixtures("blank")


async def opened(page: Page) -> dict[str, Any]:
    """The module opened; its state."""
    found: dict[str, Any] = await page.evaluate(OPEN)
    return found


async def does(page: Page, call: str) -> dict[str, Any]:
    """The state after ``signin.<call>``; its result, or its error's code, as ``result``."""
    found: dict[str, Any] = await page.evaluate(
        f"""async () => {{
            {TOLD}
            let result;
            try {{ result = (await signin.{call}) ?? null; }} catch (error) {{
                if (error.name !== "SignInError") throw error;
                result = error.code;
            }}
            return {{ ...told(), result }};
        }}"""
    )
    return found


async def someone(visit: Visit, site: Running, path: str = "/") -> tuple[Visitor, dict[str, Any]]:
    """A visitor with the module open."""
    visitor = await visit(site, path)
    visitor.watch.allow(r"status of (400|404|429|5\d\d)")
    return visitor, await opened(visitor.page)


async def test_a_name_is_enough_and_outlives_a_reload(site: Running, visit: Visit) -> None:
    ada, found = await someone(visit, site, "/#/e/1")
    assert (found["user"], found["error"], found["kept"]) == (None, None, "")
    assert found["ways"] == {"provider": False, "name": True, "token": True}
    assert (await does(ada.page, "token()"))["result"] == "expired"
    found = await does(ada.page, "withName('  Zoë \\n  King ')")
    assert found["user"] == {"way": "name", "name": "Zoë King"}
    assert (found["changes"], found["at"]) == (1, "/#/e/1")
    assert 0.4 * DAY < found["ends"] - time.time() * 1000 < 0.6 * DAY
    given = (await does(ada.page, "token()"))["result"]
    client = await site.open()
    assert (await client.hello(given))["user"]["name"] == "Zoë King"
    await ada.page.reload()
    assert (await opened(ada.page))["user"] == found["user"]
    assert (await does(ada.page, "token()"))["result"] == given
    # Another tab is another user, and signing out leaves nothing behind.
    other = await ada.context.new_page()
    await other.goto(site.base)
    assert (await opened(other))["user"] is None
    found = await does(ada.page, "out()")
    assert (found["user"], found["kept"], found["error"]) == (None, "", None)


@pytest.mark.parametrize("name", ["", "   ", "x" * 101, "a\\u0000b"])
async def test_what_is_no_name_is_told(site: Running, visit: Visit, name: str) -> None:
    ada, _ = await someone(visit, site)
    found = await does(ada.page, f"withName('{name}')")
    assert (found["result"], found["user"]) == ("name", None)


async def test_by_name_only_where_it_is_offered(start_site: StartSite, visit: Visit) -> None:
    site = await start_site(auth_secret="x" * 64)
    ada, found = await someone(visit, site)
    assert found["ways"] == {"provider": False, "name": False, "token": True}
    assert (await does(ada.page, "withName('Ada')"))["result"] == "refused"
    assert (await does(ada.page, "withProvider()"))["result"] == "provider"


async def test_a_token_from_elsewhere_is_taken_as_it_is(site: Running, visit: Visit) -> None:
    ada, _ = await someone(visit, site)
    given = token("u_12", name="Ada ✓")
    found = await does(ada.page, f"withToken('\\n Bearer  {given} ')")
    assert found["user"] == {"way": "token", "name": "Ada ✓"}
    assert (await does(ada.page, "token()"))["result"] == given
    for text in ("", "nonsense", "a.b.c", given + "x.y", f"{given} x", "e30.e30.e30"):
        refused = await does(ada.page, f"withToken('{text}')")
        assert refused["result"] == "malformed", text
        assert refused["user"] == found["user"]
    old = auth.make("u_12", None, timedelta(seconds=-1))
    assert (await does(ada.page, f"withToken('{old}')"))["result"] == "expired"
    # A token that the server refused is forgotten, and the page shows the reason.
    found = await does(ada.page, "refused()")
    assert (found["user"], found["error"], found["kept"]) == (None, "refused", "")


async def test_a_pasted_token_ends_and_nobody_is_signed_in_then(
    site: Running, visit: Visit
) -> None:
    ada, _ = await someone(visit, site)
    await does(ada.page, f"withToken('{token('u_12')}')")
    await does(ada.page, "ended()")
    found = await does(ada.page, "token()")
    assert (found["result"], found["user"], found["error"]) == ("expired", None, "expired")


async def test_a_name_s_token_is_renewed_once_however_many_ask(site: Running, visit: Visit) -> None:
    ada, _ = await someone(visit, site)
    await does(ada.page, "withName('Ada')")
    first = (await does(ada.page, "token()"))["result"]
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    await does(ada.page, "ended()")
    three = await ada.page.evaluate("() => Promise.all([1, 2, 3].map(() => signin.token()))")
    assert len(set(three)) == 1
    assert three[0] != first
    assert asked == [f"{site.base}/v1/local/token"]


async def test_a_token_that_ends_while_it_is_renewed_has_that_renewal_for_an_answer(
    site: Running, visit: Visit
) -> None:
    ada, _ = await someone(visit, site)
    await does(ada.page, "withName('Ada')")
    first = (await does(ada.page, "token()"))["result"]
    held: asyncio.Queue[Route] = asyncio.Queue()
    await ada.context.route("**/v1/local/token", held.put)
    await does(ada.page, "ended()")
    await ada.page.evaluate("() => { window.renewing = signin.token(); }")
    asked = await held.get()
    await does(ada.page, "ended()")
    await asked.continue_()
    async with asyncio.timeout(30):
        renewed = await ada.page.evaluate("() => window.renewing")
    assert renewed != first
    assert (await does(ada.page, "token()"))["result"] == renewed


async def test_while_the_server_is_gone_a_good_token_is_given_and_an_old_one_waited_for(
    site: Running, visit: Visit
) -> None:
    ada, _ = await someone(visit, site)
    ada.watch.allow("net::ERR_")
    await does(ada.page, "withName('Ada')")
    good = (await does(ada.page, "token()"))["result"]
    await ada.context.set_offline(True)
    assert (await does(ada.page, "token()"))["result"] == good
    await does(ada.page, "ended()")
    found = await does(ada.page, "token()")
    # Still Ada: the renewal may work later.
    assert (found["result"], found["user"]["name"]) == ("unreachable", "Ada")
    await ada.context.set_offline(False)
    assert (await does(ada.page, "token()"))["result"] != good


async def test_opening_waits_for_a_server_that_is_on_its_way(site: Running, visit: Visit) -> None:
    ada = await visit(site)
    ada.watch.allow(r"net::ERR_|status of (404|503)")
    tries = 0

    async def answer(route: Route) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            await route.abort()
        elif tries == 2:
            await route.fulfill(status=503)
        else:
            await route.continue_()

    await ada.context.route("**/v1/page.json", answer)
    async with asyncio.timeout(30):
        assert (await opened(ada.page))["ways"]["name"]
    assert tries == 3


async def test_an_answer_that_this_tab_did_not_ask_for_is_cleaned_away(
    site: Running, visit: Visit
) -> None:
    ada, found = await someone(visit, site, "/?code=abc&state=def#/e/1")
    assert (found["error"], found["at"]) == ("state", "/#/e/1")
    await does(ada.page, "withName('Ada')")
    await ada.page.goto("/?error=access_denied&state=def")
    found = await opened(ada.page)
    # It has no effect on a user who is signed in.
    assert (found["user"]["name"], found["error"], found["at"]) == ("Ada", None, "/")
