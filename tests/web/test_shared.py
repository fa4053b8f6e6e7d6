"""A shared computer: a user who signs out leaves nothing behind, and is asked before a loss."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import Wire, clock, enter, proposal
from tests.web.stage import Stage
from tests.web.watch import OUTAGE


async def sign_out(page: Page) -> None:
    """Sign out with the menu."""
    await page.locator(".menu summary").last.click()
    await page.get_by_role("button", name="Sign out").click()


async def test_signing_out_asks_about_what_was_not_sent_and_forgets_it(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        asked = await stage.propose("Grace", event, "Calm")
        wire = Wire()
        ada = await enter(visit, site, "Ada", f"/#/e/{event}", prepare=wire.lay)
        ada.watch.allow(OUTAGE)
        page = ada.page
        await page.get_by_role("button", name="Propose a criterion").click()
        await page.get_by_label("Propose a criterion").fill("A secret thought")
        await wire.sever()
        await expect(page.locator(".line.away")).to_be_visible()
        await proposal(page, "Calm").get_by_role("button", name="Agree").click()
        await expect(page.get_by_text("1 action is kept here")).to_be_visible()
        await sign_out(page)
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("1 action that was not sent yet")
        await expect(dialog).to_contain_text("text")
        await dialog.get_by_role("button", name="Stay signed in").click()
        await expect(page.get_by_label("Propose a criterion")).to_have_value("A secret thought")
        await sign_out(page)
        await dialog.get_by_role("button", name="Sign out and forget").click()
        await expect(page.locator("input[name=name]")).to_be_visible()
        kept = await page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        assert "A secret thought" not in kept
        assert "ayes:draft" not in kept
        assert "ayes:seen" not in kept
        # The next user sends none of it, and sees none of it.
        wire.mend()
        await page.locator("input[name=name]").fill("Grace")
        await page.keyboard.press("Enter")
        await expect(page.locator(".line.open")).to_be_visible()
        await page.goto(f"/#/e/{event}")
        await expect(proposal(page, "Calm").get_by_text("0 of 2 agree")).to_be_visible()
        await page.get_by_role("button", name="Propose a criterion").click()
        await expect(page.get_by_label("Propose a criterion")).to_have_value("")
        assert (await stage.room("Grace", event))["proposals"][asked]["agree"] == 0


async def test_times_are_the_servers_and_the_moment_is_had_by_a_tap(
    site: Running, visit: Visit
) -> None:
    policy = {"membership_auto": True, "ttl_seconds": 300}
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", policy=policy)
        await stage.propose("Grace", event, "Calm")
    where = {"locale": "en-GB", "timezone_id": "Asia/Seoul"}
    # By that clock the proposal's time is over.
    visitor = await enter(visit, site, "Ada", f"/#/e/{event}", prepare=clock(10), **where)
    card = proposal(visitor.page, "Calm")
    await expect(card.locator(".timing")).to_contain_text("Closes in 5 minutes")
    moment = card.locator(".timing time")
    await moment.click()
    shown = await moment.evaluate("(el) => getComputedStyle(el, '::after').content")
    assert "GMT+9" in shown or "KST" in shown
