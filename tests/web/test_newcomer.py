"""A user who has never seen the page: each step says its purpose, and leads to the next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from playwright.async_api import expect

from tests.promises.running import Running
from tests.web.conftest import StartSite, Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


async def ballots(stage: Stage, event: str, *choices: tuple[str, int]) -> None:
    """Let these users choose the option at these places."""
    state = await stage.room("Ada", event)
    options, criteria = list(state["options"]), list(state["criteria"])
    rev = state["event"]["criteria_rev"]
    for name, place in choices:
        await stage.run(
            name, "ballot.submit", event=event, option=options[place],
            criterion_order=criteria, criteria_rev=rev,
        )  # fmt: skip


async def test_the_way_to_the_result_is_seen_at_every_moment(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", start=False, options=["Sea", "Hills"])
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        now = page.locator(".steps [aria-current=step]")
        await expect(now).to_contain_text("Gather")
        await expect(page.get_by_role("heading", name="Before you start")).to_be_visible()
        await expect(page.locator(".checks li").first).to_contain_text("What the final ballot")
        await stage.run("Ada", "event.start", event=event)
        await expect(now).to_contain_text("Propose and vote")
        await page.get_by_role("link", name="Ballot", exact=True).click()
        await expect(now).to_contain_text("Final ballot")
        await page.get_by_role("link", name="Decide").click()
        await stage.run("Ada", "event.finish", event=event)
        await expect(now).to_contain_text("Result")


async def test_everybody_is_led_to_the_result_and_a_tie_says_what_comes_next(
    site: Running, visit: Visit
) -> None:
    options = ["Sea", "Hills", "City"]
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", options=options, criteria=["Cost"])
        await ballots(stage, event, ("Ada", 0), ("Grace", 1))
        grace = await enter(visit, site, "Grace", f"/#/e/{event}")
        await grace.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = grace.page
        await expect(page.locator("#feed-title")).to_be_visible()
        await stage.run("Ada", "event.finish", event=event)
        winner = page.locator(".winner")
        await expect(winner).to_contain_text("Tie")
        await expect(winner).to_contain_text("2 options have the same number of votes")
        await page.get_by_role("button", name="Copy as text").click()
        text = await page.evaluate("navigator.clipboard.readText()")
        assert "Tie: Sea, Hills" in text
        assert f"/#/e/{event}/ballot" in text
        # A user who comes later finds the way as well.
        await page.get_by_role("link", name="Decide").click()
        await expect(page.locator(".finished-banner")).to_contain_text("Sea and Hills")
        await page.get_by_role("link", name="See the result").click()
        await page.get_by_role("button", name="Decide between these").click()
        await expect(page.get_by_label("What is to be decided?")).to_have_value(
            "Where do we meet? (second round)"
        )
        await expect(page.get_by_label("Option 2")).to_have_value("Hills")
        await expect(page.get_by_label("Option 3")).to_have_count(0)
        await expect(page.get_by_label("Criterion 1")).to_have_value("Cost")


async def test_an_order_that_nobody_made_is_not_counted(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", options=["Sea"], criteria=["Cost", "Calm"])
        page = (await enter(visit, site, "Ada", f"/#/e/{event}/ballot")).page
        await page.get_by_role("radio", name="Sea").check()
        await expect(page.get_by_text("Without an order of yours")).to_be_visible()
        await page.get_by_role("button", name="Submit ballot").click()
        await expect(page.get_by_text("Your ballot is in.")).to_be_visible()
        assert (await stage.ballot("Ada", event))["criterion_order"] == []
        await page.get_by_role("checkbox", name="This order is mine").check()
        await page.get_by_role("button", name="Replace ballot").click()
        # While it is sent, the button is disabled and the note is hidden.
        sent = page.locator(".submit-row").filter(has_not_text="Not sent yet")
        await expect(sent.locator("button.primary:enabled")).to_be_visible()
        assert len((await stage.ballot("Ada", event))["criterion_order"]) == 2


async def test_on_a_phone_one_proposes_where_one_reads_and_sees_what_comes(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        policy = {"membership_auto": True, "criterion": {"threshold": 9}}
        event, _ = await stage.event("Ada", "Grace", policy=policy)
        for number in range(6):
            await stage.propose("Grace", event, f"Criterion {number}.")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}", **PHONE)).page
        await page.get_by_role("button", name="New proposal").click()
        field = page.get_by_label("Propose a criterion")
        await field.fill("Quiet")
        send = page.get_by_role("button", name="Propose", exact=True)
        box, bar = await send.bounding_box(), await page.locator(".tabs").bounding_box()
        assert box is not None
        assert bar is not None
        assert box["y"] + box["height"] < bar["y"]
        await send.click()
        await expect(proposal(page, "Quiet")).to_be_in_viewport()
        await page.evaluate("scrollTo(0, 0)")
        await stage.propose("Grace", event, "Near the sea")
        await page.get_by_role("button", name="1 new proposal.").click()
        await expect(proposal(page, "Near the sea")).to_be_in_viewport()
        await expect(page.get_by_role("button", name="1 new proposal.")).to_have_count(0)


async def test_what_is_new_since_the_last_visit_is_said(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        asked = await stage.propose("Grace", event, "Calm")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        await expect(proposal(page, "Calm")).to_be_visible()
        await page.goto("/#/new")
        await page.reload()
        await expect(page.locator(".line.open")).to_be_visible()
        await stage.run("Ada", "proposal.accept", event=event, proposal=asked)
        for number in range(2):
            await stage.propose("Grace", event, f"Criterion {number}")
        await page.goto(f"/#/e/{event}")
        await expect(page.locator(".since")).to_contain_text("2 new proposals.")
        await page.locator(".since").get_by_role("button", name="Dismiss").click()
        await expect(page.locator(".since")).to_have_count(0)


async def test_news_can_be_dismissed_where_the_clock_of_the_browser_goes_back(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        await expect(page.locator("#feed-title")).to_be_visible()
        await page.goto("/#/new")
        await page.reload()
        await expect(page.locator(".line.open")).to_be_visible()
        await page.clock.install(time=datetime.now(UTC) - timedelta(minutes=2))
        asked = await stage.propose("Grace", event, "Calm")
        await stage.propose("Grace", event, "Quiet")
        await stage.run("Ada", "proposal.accept", event=event, proposal=asked)
        await page.goto(f"/#/e/{event}")
        await expect(page.locator(".since")).to_contain_text("1 new proposal.")
        await page.locator(".since").get_by_role("button", name="Dismiss").click()
        await expect(page.locator(".since")).to_have_count(0)


async def test_a_way_leads_from_the_proposals_to_the_ballot_until_it_is_given(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", start=False, options=["Sea", "Hills"])
        page = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
        way = page.locator(".ballot-call")
        await expect(page.locator(".checks")).to_be_visible()
        await expect(way).to_have_count(0)
        await stage.run("Ada", "event.start", event=event)
        await expect(way).to_contain_text("Choose from 2 options.")
        await page.get_by_role("link", name="Choose now").click()
        await page.get_by_role("radio", name="Hills").check()
        await page.get_by_role("button", name="Submit ballot").click()
        await expect(page.get_by_text("Your ballot is in.")).to_be_visible()
        await page.get_by_role("link", name="Decide").click()
        await expect(page.locator("#feed-title")).to_be_visible()
        await expect(way).to_have_count(0)


async def test_a_quick_poll_asks_for_options_alone_and_two_people_can_hold_it(
    site: Running, visit: Visit
) -> None:
    page = (await enter(visit, site, "Ada", "/#/new")).page
    await page.get_by_label("What is to be decided?").fill("Where do we meet?")
    await expect(page.get_by_label("Criterion 1")).to_be_visible()
    await page.locator("input[name=preset][value=poll]").check()
    await expect(page.get_by_label("Criterion 1")).to_be_hidden()
    await page.get_by_role("button", name="Create the event").click()
    await page.get_by_role("button", name="Invite").click()
    await expect(page.get_by_role("dialog")).to_contain_text("join at once")
    await expect(page.get_by_role("dialog")).to_contain_text("on this computer only")
    await page.keyboard.press("Escape")
    # No warning that nothing can pass.
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.locator(".room-head")).to_contain_text("In progress")


async def test_a_big_screen_shows_the_way_in(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Calm")
    page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    await page.get_by_role("button", name="Invite").click()
    await page.get_by_role("link", name="Show on a big screen").click()
    await expect(page.locator(".big-way .code")).to_have_text(code)
    await expect(page.locator(".big-feed")).to_contain_text("Calm")
    height = await page.locator(".big-way .code").evaluate("(el) => el.offsetHeight")
    assert height > 40


async def test_my_events_are_searched_and_put_away(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        for number in range(13):
            await stage.event("Radia", subject=f"Question {number}")
    page = (await enter(visit, site, "Radia", "/#/")).page
    cards = page.locator(".event-card")
    await expect(cards).to_have_count(13)
    await page.get_by_role("searchbox", name="Search").fill("question 7")
    await expect(cards).to_have_count(1)
    await page.get_by_role("button", name="Archive “Question 7”").click()
    await expect(cards).to_have_count(0)
    await page.get_by_role("searchbox", name="Search").fill("")
    await expect(cards).to_have_count(12)
    await page.reload()
    await expect(cards).to_have_count(12)
    await page.get_by_role("button", name="Archived").click()
    await expect(cards).to_have_text(["Question 7In progressAdmin"])


async def test_the_page_can_be_installed_and_links_have_a_preview(
    site: Running, visit: Visit
) -> None:
    page = (await visit(site)).page
    found = await page.evaluate(
        """async () => {
            const at = document.querySelector("link[rel=manifest]").href;
            const manifest = await (await fetch(at)).json();
            const icons = manifest.icons.map((icon) => new URL(icon.src, at).href);
            const image = document.querySelector("meta[property='og:image']").content;
            const all = [...icons, new URL(image, location).href];
            const answers = await Promise.all(all.map(async (one) => (await fetch(one)).status));
            return [new URL(manifest.start_url, at).pathname, ...answers];
        }"""
    )
    assert found == ["/", 200, 200, 200, 200, 200]


async def test_the_operators_help_is_linked_before_and_after_signing_in(
    start_site: StartSite, visit: Visit
) -> None:
    site = await start_site(help_url="https://help.example/ayes")
    newcomer = await visit(site, "/", locale="en-GB")
    link = newcomer.page.get_by_role("link", name="Help")
    await expect(link).to_have_attribute("href", "https://help.example/ayes")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")
    await newcomer.page.locator("input[name=name]").fill("Ada")
    await newcomer.page.keyboard.press("Enter")
    await newcomer.page.locator("summary", has_text="Ada").click()
    await expect(link).to_be_visible()


async def test_without_an_address_there_is_no_help_to_follow(site: Running, visit: Visit) -> None:
    newcomer = await visit(site, "/", locale="en-GB")
    await expect(newcomer.page.locator("input[name=name]")).to_be_visible()
    await expect(newcomer.page.get_by_role("link", name="Help")).to_have_count(0)
