"""Lists longer than a screen: they show a window, can be searched, and report acts on all rows."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from server.page import local
from tests.promises.running import Running
from tests.web.conftest import StartSite, Visit
from tests.web.entering import enter
from tests.web.stage import Stage

MANY = 70


@pytest.mark.timeout(300)
async def test_many_requests_are_shown_in_a_window_and_searched(
    start_site: StartSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "LOCAL_TOKEN_BURST", 2 * MANY)
    site = await start_site()
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", policy={}, max_members=40)
        for number in range(MANY):
            await stage.run(f"Guest {number:03}", "membership.join", code=code)
        page = (await enter(visit, site, "Ada", f"/#/e/{event}/people")).page
        rows = page.locator(".attention-card .people-list li")
        await expect(rows).to_have_count(50)
        await page.locator(".attention-card").get_by_role("button", name="Show 20 more").click()
        await expect(rows).to_have_count(70)
        await page.get_by_role("searchbox", name="Search by name").first.fill("guest 057")
        await expect(rows).to_have_count(1)
        await page.get_by_role("searchbox", name="Search by name").first.fill("")
        await page.get_by_role("button", name="Let all in").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text(f"Let {MANY} people into")
        await dialog.get_by_role("button", name="Let all in").click()
        await expect(page.get_by_text("39 people were let in.")).to_be_visible()
        await expect(page.get_by_text("31 still wait")).to_be_visible()
        await page.get_by_role("button", name="Turn all down").click()
        await dialog.get_by_role("button", name="Cancel").click()
        assert (await stage.room("Ada", event))["counts"]["requests"] == MANY - 39


async def test_many_items_and_comments_are_shown_in_a_window(site: Running, visit: Visit) -> None:
    criteria = [f"Criterion {number}" for number in range(70)]
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", criteria=criteria)
        asked = await stage.propose("Grace", event, "Calm")
        for number in range(55):
            await stage.run(
                "Grace", "comment.add", event=event, proposal=asked, content=f"Said {number}"
            )
    page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    items = page.locator(".criteria .items > li")
    await expect(items).to_have_count(50)
    await page.locator(".criteria").get_by_role("button", name="Show 20 more").click()
    await expect(items).to_have_count(70)
    await page.locator(".criteria").get_by_role("searchbox").fill("CRITERION 6")
    await expect(items).to_have_count(11)
    card = page.locator("article.proposal")
    await card.get_by_role("button", name="55 comments").click()
    await expect(card.locator(".comment")).to_have_count(50)
    await expect(card.locator(".comment .words").last).to_have_text("Said 54")
    await card.get_by_role("button", name="Show 5 earlier").click()
    await expect(card.locator(".comment")).to_have_count(55)
