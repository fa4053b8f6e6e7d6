"""The page without a connection: no network, or a server that refuses to continue."""

from __future__ import annotations

from datetime import UTC, datetime

from playwright.async_api import expect

from persistence.queries.revocations import revoke
from server.identity.auth import LEEWAY
from tests.promises.running import Running
from tests.web.conftest import StartSite, Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage
from tests.web.watch import OUTAGE


async def test_without_a_network_the_page_says_so_and_keeps_what_is_asked(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Calm")
        ada = await enter(visit, site, "Ada", f"/#/e/{event}")
        ada.watch.allow(OUTAGE)
        card = proposal(ada.page, "Calm")
        await expect(card.get_by_role("button", name="Agree")).to_be_visible()
        # Chromium closes no socket then; messages just stop arriving.
        await ada.context.set_offline(True)
        await expect(ada.page.get_by_text("You are offline.")).to_be_visible()
        await expect(ada.page.get_by_text("not live")).to_be_visible()
        await card.get_by_role("button", name="Agree").click()
        await expect(card.get_by_text("Kept here until you are connected")).to_be_visible()
        await expect(ada.page.locator(".line")).to_contain_text("1 action is kept here")
        await expect(card.get_by_text("0 of 2 agree")).to_be_visible()
        await ada.context.set_offline(False)
        await expect(ada.page.locator(".line.open")).to_be_visible()
        await expect(card.get_by_role("button", name="You agree")).to_be_visible()
        await expect(card.get_by_text("1 of 2 agree")).to_be_visible()


async def test_who_is_revoked_is_told_and_may_sign_in_again(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        user = stage.users["Grace"]
    page = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
    await page.get_by_role("button", name="Propose a criterion").click()
    await page.get_by_label("Propose a criterion").fill("Half a thought")
    # ``ayes revoke --before`` does this: a later sign-in is later by more than the leeway.
    await revoke(site.node.database, user, datetime.now(UTC) - LEEWAY)
    await expect(page.get_by_role("alert")).to_have_text("Your access was revoked.")
    await page.reload()
    await expect(page.locator("input[name=name]")).to_be_visible()
    await page.locator("input[name=name]").fill("Grace")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Propose a criterion").click()
    await expect(page.get_by_label("Propose a criterion")).to_have_value("Half a thought")


async def test_who_has_too_many_tabs_is_told_and_comes_back_without_signing_in(
    start_site: StartSite, visit: Visit
) -> None:
    site = await start_site(connections_per_user=1)
    first = await enter(visit, site, "Ada")
    second = (await visit(site, "/#/new", locale="en-GB")).page
    await second.locator("input[name=name]").fill("Ada")
    await second.keyboard.press("Enter")
    await expect(second.get_by_role("alert")).to_contain_text("too many connections")
    await first.page.close()
    # The server may not have noticed yet that the other has left.
    again = second.get_by_role("button", name="Connect again")
    for _ in range(20):
        await again.click()
        here = second.locator(".line.open").or_(again)
        await expect(here).to_be_visible()
        if not await again.is_visible():
            break
    await expect(second.get_by_label("What is to be decided?")).to_be_visible()
