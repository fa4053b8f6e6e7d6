"""Two tabs of one user: each keeps its own drafts, and another tab adopts a closed one's."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.stage import Stage

OPEN, FIELD = "Propose a criterion", "Propose a criterion"


async def typed(page: Page, words: str) -> None:
    """The form contains ``words``."""
    await page.get_by_role("button", name=OPEN).click()
    await page.get_by_label(FIELD).fill(words)


async def shown(page: Page, words: str) -> None:
    """The form still holds ``words`` after a reload."""
    await page.reload()
    await page.get_by_role("button", name=OPEN).click()
    await expect(page.get_by_label(FIELD)).to_have_value(words)


async def test_tabs_of_one_person_keep_their_own_words(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada")
    one = await enter(visit, site, "Ada", f"/#/e/{event}")
    other = await one.context.new_page()
    await other.goto(f"/#/e/{event}")
    await other.locator("input[name=name]").fill("Ada")
    await other.keyboard.press("Enter")
    await typed(one.page, "Of the one")
    await typed(other, "Of the other")
    await shown(one.page, "Of the one")
    await shown(other, "Of the other")
    await one.page.get_by_label(FIELD).fill("Of the one, and more")
    await shown(other, "Of the other")
    await shown(one.page, "Of the one, and more")
    await other.close()
    await one.page.get_by_role("button", name="Cancel").click()
    await shown(one.page, "Of the other")


async def test_a_draft_that_cannot_be_read_hides_no_other(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada")
    page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    await typed(page, "Of mine")
    await page.evaluate(
        """() => {
            const mine = Object.keys(localStorage).find((name) => name.startsWith("ayes:draft:"));
            const all = mine.split(":").slice(0, 3).join(":");
            for (const tab of ["0", "9-9", "~"]) {
                localStorage.setItem(`${all}:${tab}:torn`, "{");
                localStorage.setItem(`${all}:${tab}:gone`, "null");
            }
        }"""
    )
    await shown(page, "Of mine")
