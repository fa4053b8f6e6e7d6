"""The page itself, for users who sign in with a provider."""

from __future__ import annotations

import asyncio

from playwright.async_api import expect

from tests.web.conftest import Visit
from tests.web.place import StartPlace, at_provider, start_place, visiting

__all__ = ["start_place"]

#: Longer than any visit to the provider's pages, and within the tolerance for wrong clocks.
TOKEN_SECONDS = 300


async def test_somebody_signs_in_reloads_and_signs_out(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place()
    ada = await visiting(visit, place)
    page = ada.page
    way_in = page.get_by_role("button", name="Sign in with your account")
    await expect(page.get_by_label("Your name")).to_have_count(0)
    await way_in.click()
    await at_provider(page, "ada")
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    await expect(page.get_by_text("ada of the provider").first).to_be_visible()
    assert page.url == f"{place.site.base}/"
    await page.reload()
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    await page.get_by_text("ada of the provider").first.click()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.get_by_role("button", name="Sign out").click()
    # The provider's own session ends too: it asks for the user again.
    await page.get_by_role("button", name="Yes, sign me out").click()
    await expect(way_in).to_be_visible()
    await way_in.click()
    await expect(page.get_by_placeholder("login")).to_be_visible()
    # No address contains a token, which any reader of the history could use.
    assert any("/session/end?" in url for url in asked)
    assert not any("eyJ" in url for url in asked), asked


async def test_one_is_signed_out_also_where_the_provider_is_gone(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place()
    ada = await visiting(visit, place)
    ada.watch.allow(r"net::ERR_")
    page = ada.page
    way_in = page.get_by_role("button", name="Sign in with your account")
    await way_in.click()
    await at_provider(page, "ada")
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    # A new page, which must ask the provider for its addresses.
    await page.reload()
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    await place.provider.stop()
    await page.get_by_text("ada of the provider").first.click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(way_in).to_be_visible()
    assert await page.evaluate("sessionStorage.getItem('ayes.signin.kept')") is None


async def test_a_sign_in_that_cannot_be_renewed_ends_where_it_can_be_done_again(
    start_place: StartPlace, visit: Visit
) -> None:
    place = await start_place(token_seconds=TOKEN_SECONDS, refresh=False)
    ada = await visiting(visit, place)
    page = ada.page
    await page.clock.install()
    way_in = page.get_by_role("button", name="Sign in with your account")
    await way_in.click()
    await at_provider(page, "ada")
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    await page.clock.fast_forward(TOKEN_SECONDS * 1_000)
    await expect(page.get_by_role("alert")).to_contain_text("expired")
    await way_in.click()
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    async with asyncio.timeout(30):
        while not place.site.node.sockets.all:
            await asyncio.sleep(0.05)
