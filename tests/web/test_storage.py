"""A browser whose storage is full or switched off: a reload loses nothing, and the page says so."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext, Page, expect

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
#: What is wrong, and the note that the page shows about it.
FAULTS = {
    "local storage off": (off("localStorage"), "are lost when you close this tab"),
    "all storage off": (
        off("localStorage") + off("sessionStorage"),
        "you are signed out, and texts that you have begun are lost",
    ),
    "all storage full": (FULL, "you are signed out, and texts that you have begun are lost"),
}


#: All that this tab has of earlier pages.
LEFT = """() => { try { return JSON.stringify([history.state, { ...sessionStorage }]); }
    catch { return JSON.stringify(history.state); } }"""


async def reload(page: Page) -> None:
    """Reload, once the browser has the entry of the history: a busy one may read it too early."""
    await page.evaluate("() => void dispatchEvent(new Event('beforeunload'))")
    await page.evaluate("new Promise((done) => setTimeout(done, 200))")
    await page.reload()


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_reload_keeps_the_user_and_what_was_begun(
    site: Running, visit: Visit, fault: str
) -> None:
    script, said = FAULTS[fault]

    async def break_storage(context: BrowserContext) -> None:
        await context.add_init_script(script)

    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
    page = (await enter(visit, site, "Ada", f"/#/e/{event}", prepare=break_storage)).page
    words = page.get_by_role("textbox", name="Propose a criterion")
    for _ in range(2):
        await expect(page.get_by_text(said)).to_be_visible()
        await reload(page)
        await expect(page.locator(".line.open")).to_be_visible()
    await page.get_by_role("button", name="New proposal").click()
    await words.fill("Near the sea")
    await reload(page)
    await page.get_by_role("button", name="New proposal").click()
    await expect(words).to_have_value("Near the sea")
    # The next user of this tab finds none of it.
    await page.locator("details.menu > summary").click()
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out and forget").click()
    await expect(page.locator("input[name=name]")).to_be_visible()
    await reload(page)
    await expect(page.locator("input[name=name]")).to_be_visible()
    assert "Near the sea" not in await page.evaluate(LEFT)


async def test_a_note_about_storage_can_be_dismissed_and_is_shown_only_if_it_fails(
    site: Running, visit: Visit
) -> None:
    async def full(context: BrowserContext) -> None:
        await context.add_init_script(FULL)

    page = (await enter(visit, site, "Ada", prepare=full)).page
    await page.locator(".forgetful").get_by_role("button", name="Dismiss").click()
    await expect(page.locator(".forgetful")).to_have_count(0)
    other = (await enter(visit, site, "Grace")).page
    await expect(other.get_by_role("heading", name="My events")).to_be_visible()
    await expect(other.locator(".forgetful")).to_have_count(0)
