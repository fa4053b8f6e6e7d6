"""A browser whose storage is full or switched off: the page works, and says what a reload loses."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import BrowserContext, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.stage import Stage


def off(name: str) -> str:
    """A script after which the storage of this name is forbidden, as a browser forbids it."""
    return f"""Object.defineProperty(window, "{name}", {{
        get() {{ throw new DOMException("The request was denied.", "SecurityError"); }} }});"""


FULL = """Storage.prototype.setItem = () => {
    throw new DOMException("exceeded the quota", "QuotaExceededError"); };"""
#: Ways to have no storage at all, and what the page says about them.
NOTHING = (off("localStorage") + off("sessionStorage"), FULL)
NOTHING_KEPT = "When you close or reload it, you are signed out"


def broken(script: str) -> Any:
    """A preparation of a visit: ``script`` runs before the page's own."""

    async def prepare(context: BrowserContext) -> None:
        await context.add_init_script(script)

    return prepare


async def test_a_reload_keeps_the_user_and_what_was_begun_without_the_local_storage(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
    prepare = broken(off("localStorage"))
    page = (await enter(visit, site, "Ada", f"/#/e/{event}", prepare=prepare)).page
    note = page.get_by_text("are lost when you close this tab")
    await expect(note).to_be_visible()
    words = page.get_by_role("textbox", name="Propose a criterion")
    await page.get_by_role("button", name="New proposal").click()
    await words.fill("Near the sea")
    await page.reload()
    await expect(note).to_be_visible()
    await page.get_by_role("button", name="New proposal").click()
    await expect(words).to_have_value("Near the sea")


@pytest.mark.parametrize("script", NOTHING, ids=["off", "full"])
async def test_without_any_storage_the_page_works_and_says_that_a_reload_signs_out(
    site: Running, visit: Visit, script: str
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
    page = (await enter(visit, site, "Ada", f"/#/e/{event}", prepare=broken(script))).page
    await expect(page.get_by_text(NOTHING_KEPT)).to_be_visible()
    words = page.get_by_role("textbox", name="Propose a criterion")
    await page.get_by_role("button", name="New proposal").click()
    await words.fill("Near the sea")
    await page.goto("/#/")
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    await page.goto(f"/#/e/{event}")
    await expect(words).to_have_value("Near the sea")
    await page.reload()
    await expect(page.locator("input[name=name]")).to_be_visible()
    await expect(page.get_by_text(NOTHING_KEPT)).to_be_visible()


async def test_a_note_about_storage_can_be_dismissed_and_is_shown_only_if_it_fails(
    site: Running, visit: Visit
) -> None:
    page = (await enter(visit, site, "Ada", prepare=broken(FULL))).page
    await page.locator(".forgetful").get_by_role("button", name="Dismiss").click()
    await expect(page.locator(".forgetful")).to_have_count(0)
    other = (await enter(visit, site, "Grace")).page
    await expect(other.get_by_role("heading", name="My events")).to_be_visible()
    await expect(other.locator(".forgetful")).to_have_count(0)
