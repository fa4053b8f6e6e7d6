"""Reminders: what comes near and is still to do, and the text for those who have not voted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import BrowserContext, Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter, proposal, settled
from tests.web.stage import Stage

#: The browser's notifications, as a list, and whether the user looks at the page.
NOTIFICATIONS = """
    window.told = []; window.isAway = false; window.answer = "granted";
    window.Notification = class {
        static permission = "default";
        static async requestPermission() { return (this.permission = window.answer); }
        constructor(title, { body, tag }) {
            window.told.push([title, body]);
            window.newest = this;
        }
        close() {}
    };
    document.hasFocus = () => !window.isAway;
"""


async def _with_notifications(context: BrowserContext) -> None:
    await context.add_init_script(NOTIFICATIONS)


def _in(minutes: float) -> str:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _go_away(page: Page) -> None:
    await page.evaluate("window.isAway = true")


async def test_an_end_that_comes_near_is_told_with_what_is_left_to_do(
    site: Running, visit: Visit
) -> None:
    """The user gives the ballot and the vote: then there is nothing to be reminded of."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada", "bob", options=["Lisbon"], ends_at=_in(20.2))
        words = "It is near a station"
        await stage.propose("ada", event, words)
        page = (await enter(visit, site, "bob", f"/#/e/{event}")).page

        banner = page.locator(".reminder")
        await expect(banner).to_contain_text("Ends in 20 minutes.")
        await expect(banner).to_contain_text("You have not given a ballot yet.")
        await expect(banner).to_contain_text("You have not voted on 1 open proposal.")
        await proposal(page, words).get_by_role("button", name="Agree").click()
        await expect(banner).not_to_contain_text("open proposal")
        await banner.get_by_role("link", name="To the ballot").click()
        await page.get_by_role("radio", name="Lisbon").check()
        await page.get_by_role("button", name="Submit ballot").click()
        await expect(banner).to_have_count(0)


async def test_a_proposal_that_closes_soon_is_one_press_away(site: Running, visit: Visit) -> None:
    """The reminder can also be put away."""
    policy = {"membership_auto": True, "ttl_seconds": 600}
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada", "bob", policy=policy)
        await stage.propose("ada", event, "It is near a station")
        page = (await enter(visit, site, "bob", f"/#/e/{event}/people")).page

        banner = page.locator(".reminder")
        await expect(banner).to_contain_text("a proposal closes that you have not voted on.")
        await banner.get_by_role("button", name="Show it").click()
        await expect(proposal(page, "It is near a station")).to_be_in_viewport()
        await banner.get_by_role("button", name="Dismiss").click()
        await expect(banner).to_have_count(0)


async def test_the_browser_reminds_once_and_leads_to_what_is_to_do(
    site: Running, visit: Visit
) -> None:
    """After a reload it does not come again; an end that was moved is another one."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada", "bob", options=["Lisbon"], ends_at=_in(9.2))
        visitor = await enter(visit, site, "bob", f"/#/e/{event}", prepare=_with_notifications)
        page = visitor.page
        await _go_away(page)
        await page.get_by_role("button", name="Remind me").click()
        told = [["Where do we meet?", "Ends in 9 minutes. You have not given a ballot yet."]]
        assert await page.evaluate("told") == told
        switch = page.get_by_role("button", name="Reminders are on")
        await expect(switch).to_have_attribute("aria-pressed", "true")
        await page.evaluate("newest.onclick()")
        await expect(page.get_by_role("radio", name="Lisbon")).to_be_visible()

        # The permission is the browser's, and outlives a reload.
        await visitor.context.add_init_script("Notification.permission = 'granted'")
        await page.reload()
        await _go_away(page)
        await expect(switch).to_be_visible()
        await switch.click()
        await page.get_by_role("button", name="Remind me").click()
        await expect(switch).to_be_visible()
        assert await page.evaluate("told") == []

        await stage.run("ada", "event.update", event=event, ends_at=_in(7.2))
        await expect(page.locator(".reminder")).to_contain_text("Ends in 7 minutes.")
        await switch.click()
        await page.get_by_role("button", name="Remind me").click()
        await expect(switch).to_be_visible()
        assert [body[:18] for _, body in await page.evaluate("told")] == ["Ends in 7 minutes."]


async def test_a_user_who_looks_at_the_room_gets_words_and_no_notification(
    site: Running, visit: Visit
) -> None:
    """The words are for screen readers too."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada", "bob", options=["Lisbon"], ends_at=_in(9.2))
        page = (await enter(visit, site, "bob", f"/#/e/{event}", prepare=_with_notifications)).page
        await page.get_by_role("button", name="Remind me").click()
        await expect(page.locator("#announcer")).to_contain_text("Ends in 9 minutes.")
        assert await page.evaluate("told") == []


async def test_a_browser_that_shows_no_notifications_says_so(site: Running, visit: Visit) -> None:
    """Reminders are then in the page alone."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada", "bob", options=["Lisbon"], ends_at=_in(9.2))
        page = (await enter(visit, site, "bob", f"/#/e/{event}", prepare=_with_notifications)).page
        await page.evaluate("window.answer = 'denied'")
        await page.get_by_role("button", name="Remind me").click()
        await expect(page.get_by_text("This browser shows no notifications")).to_be_visible()
        await expect(page.get_by_role("button", name="Remind me")).to_be_visible()


async def _reminder(page: Page, place: Any) -> str:
    """The text of the reminder that the button in ``place`` offers."""
    await place.get_by_role("button", name="Remind the others").click()
    text: str = await page.locator(".reminder-text").inner_text()
    return text


async def test_a_reminder_names_who_is_missing_only_if_that_tells_no_vote(
    site: Running, visit: Visit
) -> None:
    """The ballot: names. A secret vote: their number. A hidden tally: neither."""
    words = "It is near a station"
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada", "bob", "eve", options=["Lisbon"], ends_at=_in(90))
        option = next(iter((await stage.room("ada", event))["options"]))
        await stage.run("bob", "ballot.submit", event=event, option=option, criteria_rev=1)
        await stage.propose("ada", event, words)
        page = (await enter(visit, site, "ada", f"/#/e/{event}/ballot")).page

        text = await _reminder(page, page)
        assert "2 of 3 have not given a ballot yet." in text
        assert f"/#/e/{event}/ballot" in text
        assert "Until " in text
        assert "eve" not in text
        await page.get_by_label("With the 2 names").check()
        await expect(page.locator(".reminder-text")).to_contain_text("Missing: ada and eve.")
        await page.keyboard.press("Escape")
        await settled(page)

        await page.goto(f"/#/e/{event}")
        text = await _reminder(page, proposal(page, words))
        assert words in text
        assert "3 of 3 have not voted yet." in text
        await expect(page.locator("dialog input")).to_have_count(0)
        await page.keyboard.press("Escape")
        await settled(page)

        policy = {"membership_auto": True, "tally": "close"}
        hidden, _ = await stage.event("ada", "bob", policy=policy)
        await stage.propose("ada", hidden, words)
        await page.goto(f"/#/e/{hidden}")
        text = await _reminder(page, proposal(page, words))
        assert "have not voted" not in text
        await expect(page.locator("dialog")).to_contain_text("neither who is missing nor how many")


async def test_a_member_is_offered_no_reminder_of_others(site: Running, visit: Visit) -> None:
    """Admins alone learn who has not voted."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada", "bob", options=["Lisbon"])
        page = (await enter(visit, site, "bob", f"/#/e/{event}/ballot")).page
        await expect(page.get_by_role("radio", name="Lisbon")).to_be_visible()
        await expect(page.get_by_role("button", name="Remind the others")).to_have_count(0)
