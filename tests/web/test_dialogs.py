"""A dialog belongs to the event that it was opened for, and closes with it."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter, settled
from tests.web.stage import Stage

#: A step back takes half a second; ``went`` is when it was done.
SLOW_BACK = """() => {
    const back = history.back.bind(history);
    window.went = new Promise((done) => {
        history.back = () => setTimeout(() => {
            addEventListener("popstate", () => done(), { once: true });
            back();
        }, 500);
    });
}"""
FIRST, SECOND = "Where do we meet?", "What do we eat?"


async def two_events(stage: Stage) -> tuple[str, str]:
    """Two events, with Ada as an admin of both."""
    first, _ = await stage.event("Ada", "Grace", subject=FIRST)
    second, _ = await stage.event("Ada", "Grace", subject=SECOND)
    return first, second


async def opened(page: Page, tab: str, name: str) -> None:
    """The dialog behind the button ``name`` on ``tab``."""
    if tab:
        await page.get_by_role("link", name=tab).click()
    await page.get_by_role("button", name=name).first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()


@pytest.mark.parametrize(
    ("tab", "name"), [("", "Finish"), ("", "Invite"), ("People", "Leave"), ("People", "Remove")]
)
async def test_back_closes_a_dialog_before_it_leaves_the_view(
    site: Running, visit: Visit, tab: str, name: str
) -> None:
    async with Stage(site.base) as stage:
        first, second = await two_events(stage)
        page = (await enter(visit, site, "Ada", f"/#/e/{second}")).page
        await expect(page.get_by_role("heading", name=SECOND)).to_be_visible()
        await page.goto(f"/#/e/{first}")
        await expect(page.get_by_role("heading", name=FIRST)).to_be_visible()
        await opened(page, tab, name)
        await expect(page.get_by_role("dialog")).to_contain_text(FIRST)
        place = page.url
        await page.go_back()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert page.url == place
        # Closed by its own button or by Escape, it leaves no entry that Back would reach.
        await page.get_by_role("button", name=name).first.click()
        await page.get_by_role("dialog").get_by_role("button", name="Close").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.get_by_role("button", name=name).first.click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await settled(page)
        if tab:
            await page.go_back()
            await expect(page).to_have_url(re.compile(f"/{first}$"))
        await page.go_back()
        await expect(page.get_by_role("heading", name=SECOND)).to_be_visible()


async def test_after_a_reload_back_leaves_the_view_at_once(site: Running, visit: Visit) -> None:
    """The dialog went with the old page, and its entry in the history with it."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada")
    page = (await enter(visit, site, "ada", f"/#/e/{event}/settings")).page
    await page.goto(f"/#/e/{event}/people")
    await page.get_by_role("button", name="Leave").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("button", name="Leave")).to_be_visible()
    await page.wait_for_function("!history.state?.dialog")
    await page.go_back()
    await expect(page).to_have_url(re.compile("/settings$"))


async def test_dialogs_closed_in_quick_succession_take_one_step_back(
    blank: None, site: Running, visit: Visit
) -> None:
    page = (await visit(site)).page
    await page.evaluate("location.hash = '#view'")
    steps = await page.evaluate(
        """async () => {
          const { Dialogs } = await import("/app/dialogs.js");
          let steps = 0;
          const counted = {
            document, addEventListener: (...given) => addEventListener(...given),
            history: {
              get state() { return history.state; },
              pushState: (...given) => history.pushState(...given),
              back() { steps += 1; history.back(); },
            },
          };
          const dialogs = new Dialogs(() => {}, counted);
          for (const name of ["first", "second", "third"]) {
            dialogs.open(name);
            dialogs.close();
          }
          await dialogs.gone();
          return steps;
        }"""
    )
    assert steps == 1
    assert page.url.endswith("#view")


async def test_a_link_right_behind_a_closed_dialog_leads_where_it_says(
    site: Running, visit: Visit
) -> None:
    """The step back that takes the dialog's entry away may still be under way then."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        await opened(page, "", "Invite")
        await page.evaluate(SLOW_BACK)
        await page.keyboard.press("Escape")
        await page.get_by_role("link", name="People").click()
        await page.evaluate("() => window.went")
        await expect(page.locator(".tab-people")).to_be_visible()
        assert page.url.endswith("/people")


async def test_going_elsewhere_closes_a_dialog_and_nothing_is_done_there(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        first, second = await two_events(stage)
        page = (await enter(visit, site, "Ada", f"/#/e/{first}")).page
        for tab, name in (("", "Finish"), ("People", "Leave")):
            await page.goto(f"/#/e/{first}")
            # The event of before has the same buttons until the next draw.
            await expect(page.get_by_role("heading", name=FIRST)).to_be_visible()
            await opened(page, tab, name)
            # A link in another program or a bookmark does this.
            await page.evaluate("(place) => { location.hash = place; }", f"#/e/{second}")
            await expect(page.get_by_role("heading", name=SECOND)).to_be_visible()
            await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.goto(f"/#/e/{first}")
        await expect(page.get_by_role("heading", name=FIRST)).to_be_visible()
        await page.get_by_role("button", name="Finish").click()
        await page.get_by_role("dialog").get_by_role("button", name="Finish").click()
        await page.get_by_role("button", name="Do it now").click()
        await expect(page.locator(".room-head")).to_contain_text("Finished")
        assert (await stage.room("Ada", first))["event"]["status"] == "finished"
        assert (await stage.room("Ada", second))["event"]["status"] == "in_progress"


async def test_a_dialog_closes_when_somebody_else_has_done_it(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        first, _ = await two_events(stage)
        page = (await enter(visit, site, "Ada", f"/#/e/{first}")).page
        await opened(page, "", "Finish")
        await stage.run("Ada", "event.finish", event=first)
        await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_a_refused_join_is_not_told_at_another_code(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        codes = []
        for subject in (FIRST, SECOND):
            _, code = await stage.event(
                "Ada", subject=subject, max_members=1, policy={"membership_auto": True}
            )
            codes.append(code)
        page = (await enter(visit, site, "Grace", f"/#/join/{codes[0]}")).page
        await page.get_by_role("button", name="Join", exact=True).click()
        await expect(page.locator(".note.refused")).to_be_visible()
        await page.goto(f"/#/join/{codes[1]}")
        await expect(page.get_by_role("heading", name=SECOND)).to_be_visible()
        await expect(page.locator(".note.refused")).to_have_count(0)
