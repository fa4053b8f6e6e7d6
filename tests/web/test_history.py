"""The page's history of acts that are not decisions: the acts of admins, from the journal."""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from tests.parts import ROOT
from tests.promises.running import Running
from tests.web.axe import faults
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.stage import Stage


async def in_small_steps(route: Route) -> None:
    """The module with a page of one step, so that each press loads one page."""
    text = (ROOT / "web" / "journal.js").read_text()
    small = text.replace("PAGE = 200;", "PAGE = 1;").replace("MAX_PAGES = 5;", "MAX_PAGES = 1;")
    assert small.count(" = 1;") == text.count(" = 1;") + 2, "a constant has another name"
    await route.fulfill(body=small, content_type="text/javascript")


@pytest.mark.timeout(300)
async def test_an_admin_sees_roles_and_codes_change_and_a_member_does_not(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", "Jean")
        grace, jean = stage.users["Grace"], stage.users["Jean"]
        await stage.run("Ada", "membership.set_role", event=event, user=grace, role="admin")
        # It changes nothing, so it is not in the history.
        await stage.run("Ada", "membership.set_role", event=event, user=grace, role="admin")
        first = await stage.run("Grace", "event.rotate_code", event=event)
        page = (await enter(visit, site, "Ada", f"/#/e/{event}/history")).page
        await page.get_by_role("button", name="Roles and codes").click()
        done = page.locator(".entry p:first-child")
        told = [
            f"Grace set a new entrance code: {first['entrance_code']}",
            "Ada made Grace an admin.",
        ]
        await expect(done).to_have_text(told)
        assert await faults(page) == []
        # New steps appear while the history is shown.
        await stage.run("Grace", "membership.set_role", event=event, user=grace, role="member")
        told.insert(0, "Grace made Grace a member again.")
        await expect(done).to_have_text(told)
        second = await stage.run("Ada", "event.rotate_code", event=event)
        told.insert(0, f"Ada set a new entrance code: {second['entrance_code']}")
        await expect(done).to_have_text(told)
        # A member who leaves and names a successor gives a role; Ada's browser shows Jean's room.
        await stage.run("Ada", "membership.leave", event=event, transfer_to=jean)
        member = (await enter(visit, site, "Grace", f"/#/e/{event}/history")).page
        await expect(member.get_by_role("button", name="Accepted")).to_be_visible()
        await expect(member.get_by_role("button", name="Roles and codes")).to_have_count(0)
        admin = (await enter(visit, site, "Jean", f"/#/e/{event}/history")).page
        await admin.get_by_role("button", name="Roles and codes").click()
        left = "somebody not listed here left and made Jean an admin."
        await expect(admin.locator(".entry p:first-child").first).to_have_text(left)


@pytest.mark.timeout(300)
async def test_what_admins_did_long_ago_is_found_further_back(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        asked = await stage.propose("Ada", event, "Calm")
        grace = stage.users["Grace"]
        await stage.run("Ada", "membership.set_role", event=event, user=grace, role="admin")
        visitor = await enter(visit, site, "Ada", f"/#/e/{event}/history")
        page = visitor.page
        await visitor.context.route("**/app/journal.js", in_small_steps)
        await page.reload()
        for _ in range(2):
            await stage.vote(event, asked, "Grace")
            await stage.run("Grace", "vote.retract", event=event, proposal=asked)
        await expect(page.locator(".line.open")).to_be_visible()
        await page.get_by_role("button", name="Roles and codes").click()
        await expect(page.get_by_text("None among the latest steps.")).to_be_visible()
        further = page.get_by_role("button", name="Look further back")
        for _ in range(9):
            if await page.locator(".entry").count():
                break
            await further.click()
            await expect(page.locator(".loading")).to_have_count(0)
        await expect(page.locator(".entry")).to_have_count(1)
