"""The admin's page: running events, slow commands, one event's details, and one act."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from handlers.lanes import batch_end
from tests.web.axe import faults
from tests.web.conftest import StartSite, Visit
from tests.web.entering import enter
from tests.web.stage import Stage

TOKEN = "an admin's token of the tests, long enough"
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "locale": "ko-KR",
    "has_touch": True,
    "is_mobile": True,
}


async def fit(page: Page, name: str) -> None:
    """axe finds no fault in the view, it is not too wide, and its picture is kept if asked."""
    assert await faults(page) == [], name
    assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
    if folder := os.environ.get("AYES_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"admin-{name}.png")


@pytest.mark.parametrize("way", ["desk", "phone"])
async def test_the_admin_looks_and_acts(
    start_site: StartSite, visit: Visit, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(batch_end, "SLOW_TRANSACTION_S", 0.0)
    site = await start_site(admin_token=TOKEN)
    async with Stage(site.base) as stage:
        # The revocation stays in the database, which both runs share.
        event, _ = await stage.event(f"Ada {way}", f"Ben {way}", f"Cleo {way}")
        await enter(visit, site, f"Dora {way}")
        admin = await visit(site, "/admin", **(DESK if way == "desk" else PHONE))
        page = admin.page
        admin.watch.allow(r"401")
        await page.locator("input[name=token]").fill("not the admin's token, though long")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.locator("input[name=token]").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator(".figure")).to_have_count(8)
        await expect(page.locator(f"a[href='#/event/{event}']").first).to_be_visible()
        await fit(page, f"now-{way}")

        await page.locator("nav a").nth(2).click()
        rows = page.locator("ul.rows > li")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text(f"Dora {way}")
        await fit(page, f"sockets-{way}")
        await page.locator("nav a").nth(3).click()
        await page.locator(f"a[href='#/event/{event}']").click()
        await expect(page.locator("h2").first).to_contain_text("Where do we meet?")
        await fit(page, f"event-{way}")

        # An event is opened, then changed; a dialog asks first.
        await page.locator("section a[href^='#/user/']").first.click()
        ask = page.locator("button[data-ask=revoke]")
        await ask.click()
        await fit(page, f"user-{way}")
        await page.get_by_role("group").get_by_role("button").first.click()
        await expect(page.get_by_role("status")).to_be_visible()
        await expect(rows.filter(has_text="127.0.0.1")).to_have_count(0)


async def test_without_a_token_there_is_no_admin_page(site: Any, visit: Visit) -> None:
    visitor = await visit(site, "/")
    answer = await visitor.page.request.get(f"{site.base}/admin")
    assert answer.status == 404
