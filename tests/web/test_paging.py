"""Records beyond the room's windows are loaded page by page."""

from __future__ import annotations

from playwright.async_api import expect

from tests.web.conftest import StartSite, Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage


async def test_older_decisions_comments_and_members_are_shown_on_demand(
    start_site: StartSite, visit: Visit
) -> None:
    site = await start_site(resolved_shown=2, comments_shown=2, members_shown=2)
    names = [f"Guest {number}" for number in range(5)]
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", *names)
        for number in range(5):
            asked = await stage.propose("Ada", event, f"Settled {number}")
            await stage.run("Ada", "proposal.reject", event=event, proposal=asked)
        asked = await stage.propose("Ada", event, "Calm")
        for number in range(5):
            await stage.run(
                "Ada", "comment.add", event=event, proposal=asked, content=f"Said {number}"
            )
    page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    card = proposal(page, "Calm")
    await card.get_by_role("button", name="2 comments").click()
    older = card.get_by_role("button", name="Load older comments (3 in this event)")
    await older.click()
    await expect(card.locator(".comment .words")).to_have_text([f"Said {n}" for n in range(5)])
    await expect(older).to_have_count(0)
    await page.get_by_role("link", name="History").click()
    await expect(page.locator(".entry")).to_have_count(2)
    await page.get_by_role("button", name="Load older ones (3 more)").click()
    settled = [f"Settled {n}" for n in reversed(range(5))]
    await expect(page.locator(".entry .words")).to_have_text(settled)
    await page.get_by_role("link", name="People").click()
    more = page.get_by_role("button", name="Load more (3 more)")
    await more.click()
    await expect(page.locator(".people-list li b")).to_have_text(["Ada", *names])
    await expect(more).to_have_count(0)
