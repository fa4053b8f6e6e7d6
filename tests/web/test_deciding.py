"""People decide together on the page, over a line that works."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.promises.running import Running
from tests.web.conftest import StartSite, Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage

TWO = {"membership_auto": True, "criterion": {"threshold": 2}, "assumption": {"threshold": 2}}


@pytest.mark.parametrize("compression", ["off", "on"])
async def test_two_browsers_decide_together(
    start_site: StartSite, visit: Visit, compression: str
) -> None:
    site = await start_site(compression=compression)
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", policy=TWO)
    ada = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    grace = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
    await ada.get_by_role("button", name="Propose a criterion").click()
    # Long enough for compression, which every browser offers.
    await ada.get_by_label("Propose a criterion").fill("Quiet at night, " + "and still, " * 100)
    await ada.get_by_role("button", name="Propose", exact=True).click()
    card = proposal(grace, "Quiet at night")
    await card.get_by_role("button", name="Agree").click()
    await expect(card.get_by_text("1 of 2 agree")).to_be_visible()
    await expect(card.get_by_text("Confirmed")).to_be_visible()
    await proposal(ada, "Quiet at night").get_by_role("button", name="Agree").click()
    for page in (ada, grace):
        await expect(proposal(page, "Quiet at night").get_by_text("Accepted")).to_be_visible()
        await expect(
            page.locator(".criteria .item").filter(has_text="Quiet at night")
        ).to_be_visible()
    await ada.get_by_role("link", name="History").click()
    await expect(ada.locator(".entry").filter(has_text="Quiet at night")).to_contain_text(
        "by votes"
    )


async def test_an_event_is_made_joined_and_opened_to_who_waits(site: Running, visit: Visit) -> None:
    ada = (await enter(visit, site, "Ada", "/#/new")).page
    await ada.get_by_label("What is to be decided?").fill("Which name?")
    await ada.get_by_label("Option 1").fill("Ayes")
    await ada.get_by_label("Criterion 1").fill("Short")
    await ada.get_by_role("button", name="Create the event").click()
    await expect(ada.get_by_role("heading", name="Which name?")).to_be_visible()
    await ada.get_by_role("button", name="Invite").click()
    code = await ada.locator("dialog .code").inner_text()
    await expect(ada.get_by_role("img", name="QR code")).to_be_visible()
    await ada.keyboard.press("Escape")

    grace = (await enter(visit, site, "Grace", f"/#/join/{code}")).page
    await expect(grace.get_by_text("By Ada")).to_be_visible()
    await grace.get_by_role("button", name="Join").click()
    await expect(grace.get_by_text("Waiting for an admin")).to_be_visible()
    await ada.get_by_role("link", name="People").click()
    await ada.get_by_role("button", name="Let in").click()
    await expect(grace.get_by_role("link", name="Decide")).to_be_visible()
    # With two members and a threshold of three votes, no proposal could pass.
    await ada.get_by_role("button", name="Start", exact=True).click()
    await ada.get_by_role("button", name="More than half decides").click()
    await expect(grace.get_by_text("In progress")).to_be_visible()
    await ada.get_by_role("link", name="Rules").click()
    await expect(ada.get_by_text("Criteria: a proposal passes when 51% of all")).to_be_visible()


async def test_an_admin_accepts_while_members_watch(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Near the sea")
    grace = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
    ada = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    card = proposal(grace, "Near the sea")
    await expect(card.get_by_role("button", name="Accept")).to_have_count(0)
    theirs = proposal(ada, "Near the sea")
    await theirs.get_by_role("button", name="Accept").click()
    await expect(theirs.get_by_text("It takes effect for everybody at once")).to_be_visible()
    await theirs.get_by_role("button", name="Accept now").click()
    await expect(card.locator(".outcome")).to_contain_text("Accepted by an admin")
    await expect(card.locator(".outcome")).to_contain_text("Ada")
    await expect(card.get_by_role("button", name="Agree")).to_have_count(0)


async def test_typed_words_outlive_updates_and_a_reload(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", policy=TWO, assumptions=["We all can come"])
        grace = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
        await grace.get_by_role("button", name="Propose other words").click()
        field = grace.get_by_role("textbox", name="Propose other words for this assumption")
        await field.press_sequentially(" in May")
        await field.evaluate("(el) => el.setSelectionRange(3, 6)")
        [target] = (await stage.room("Ada", event))["assumptions"]
        rival = await stage.propose(
            "Ada", event, "Most can come",
            kind="assumption", category="update", target=target, base_version=1,
        )  # fmt: skip
        for number in range(5):
            await stage.propose("Ada", event, f"Criterion {number}")
        await stage.vote(event, rival, "Ada", "Grace")
    await expect(grace.locator("article.proposal")).to_have_count(6)
    await expect(grace.locator(".moved")).to_contain_text("Most can come")
    await expect(field).to_have_value("We all can come in May")
    await expect(field).to_be_focused()
    assert await field.evaluate("(el) => [el.selectionStart, el.selectionEnd]") == [3, 6]
    await grace.reload()
    await grace.get_by_role("button", name="Propose other words").click()
    await expect(field).to_have_value("We all can come in May")
    await expect(grace.locator(".moved")).to_contain_text("Most can come")


async def test_a_ballot_is_given_by_keys_alone_and_counted(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", options=["Sea", "Hills"], criteria=["Cost", "Calm"])
        ada = (await enter(visit, site, "Ada", f"/#/e/{event}/ballot")).page
        await ada.get_by_role("radio", name="Hills").focus()
        await ada.keyboard.press("Space")
        grip = ada.get_by_role("button", name=re.compile("^Calm: place"))
        await grip.focus()
        await ada.keyboard.press("ArrowUp")
        await expect(ada.locator(".ranking li").first).to_contain_text("Calm")
        await expect(grip).to_be_focused()
        await expect(ada.locator("#announcer")).to_have_text("Calm: now 1 of 2")
        await ada.get_by_role("button", name="Submit ballot").focus()
        await ada.keyboard.press("Enter")
        await expect(ada.get_by_text("Your ballot is in.")).to_be_visible()
        await stage.run("Ada", "event.finish", event=event)
    await expect(ada.locator(".winner")).to_contain_text("Hills")
    await expect(ada.locator(".chart").last.locator("li").first).to_contain_text("Calm")


async def test_a_ballot_is_put_in_order_by_dragging(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", options=["Sea"], criteria=["Cost", "Calm", "Near"])
    page = (await enter(visit, site, "Ada", f"/#/e/{event}/ballot")).page
    rows = page.locator(".ranking .words")
    await expect(rows).to_have_text(["Cost", "Calm", "Near"])
    await page.get_by_role("button", name=re.compile("^Near: place")).hover()
    await page.mouse.down()
    top = await page.get_by_role("button", name=re.compile("^Cost: place")).bounding_box()
    assert top is not None
    await page.mouse.move(top["x"] + 4, top["y"] + 4, steps=8)
    await page.mouse.up()
    await expect(rows).to_have_text(["Near", "Cost", "Calm"])
    await expect(page.locator("#announcer")).to_have_text("Near: now 1 of 3")
    await page.get_by_role("radio", name="Sea").check()
    await page.get_by_role("button", name="Submit ballot").click()
    await expect(page.get_by_text("Your ballot is in.")).to_be_visible()
    await page.reload()
    await expect(rows).to_have_text(["Near", "Cost", "Calm"])


async def test_rules_are_previewed_and_set(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.vote(event, await stage.propose("Grace", event, "Calm"), "Grace")
    ada = (await enter(visit, site, "Ada", f"/#/e/{event}/settings")).page
    await ada.get_by_role("button", name="Change the rules").click()
    await ada.get_by_role("group", name="Criteria").get_by_label("Agreeing votes").fill("1")
    # The effect is shown before it is confirmed.
    await ada.get_by_role("button", name="Set these rules").click()
    await expect(ada.get_by_text("1 open proposal would be accepted")).to_be_visible()
    await ada.get_by_role("button", name="Set these rules").click()
    await expect(ada.get_by_text("1 proposal was accepted by it.")).to_be_visible()
    await expect(
        ada.get_by_text("Criteria: a proposal passes with 1 agreeing vote.")
    ).to_be_visible()
    await ada.get_by_role("link", name="Decide").click()
    await expect(ada.locator(".criteria")).to_contain_text("Calm")


async def test_who_is_removed_is_told_at_once(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
    grace = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
    ada = (await enter(visit, site, "Ada", f"/#/e/{event}/people")).page
    await (
        ada.locator(".people-list li")
        .filter(has_text="Grace")
        .get_by_role("button", name="Remove")
        .click()
    )
    await ada.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(grace.get_by_text("You were removed from this event.")).to_be_visible()


async def test_who_is_turned_down_is_told_so(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", policy={})
        await stage.run("Grace", "membership.join", code=code)
        grace = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
        await expect(grace.get_by_text("Waiting for an admin")).to_be_visible()
        user = stage.users["Grace"]
        await stage.run("Ada", "membership.reject", event=event, user=user)
    await expect(grace.get_by_text("Your request was turned down.")).to_be_visible()


async def test_a_stale_proposal_is_brought_up_to_date_and_an_accepted_one_undone(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", assumptions=["We all can come"])
        [target] = (await stage.room("Ada", event))["assumptions"]
        change = {"kind": "assumption", "category": "update", "target": target, "base_version": 1}
        await stage.propose("Ada", event, "We can come in May", **change)
        rival = await stage.propose("Grace", event, "Most can come", **change)
        ada = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        card = proposal(ada, "in May")
        await expect(card.get_by_role("button", name="Agree")).to_be_visible()
        await stage.run("Ada", "proposal.accept", event=event, proposal=rival)
        await card.get_by_role("button", name="Bring up to date").click()
        await card.get_by_role("textbox", name="Words").fill("Most can come in May")
        await card.get_by_role("button", name="Bring up to date").click()
    card = proposal(ada, "Most can come in May")
    await expect(card.get_by_text("revision 2")).to_be_visible()
    await ada.get_by_role("link", name="History").click()
    entry = ada.locator(".entry").filter(has_text="Grace")
    await entry.get_by_role("button", name="Undo:").click()
    await entry.get_by_label("Why is it undone?").fill("Too soon")
    await entry.get_by_role("button", name="Undo").last.click()
    await expect(entry.get_by_text("Undone later")).to_be_visible()
    await ada.get_by_role("link", name="Decide").click()
    await expect(ada.locator(".assumptions .item")).to_contain_text("We all can come")


async def test_comments_are_said_changed_and_taken_away(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Calm")
    ada = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    grace = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
    card = proposal(ada, "Calm")
    await card.get_by_role("button", name="Comment").click()
    await card.get_by_role("textbox", name="Comment").fill("<b>Why</b> not?")
    await card.get_by_role("button", name="Send").click()
    theirs = proposal(grace, "Calm")
    await theirs.get_by_role("button", name="1 comment").click()
    await expect(theirs.locator(".comment")).to_contain_text("<b>Why</b> not?")
    await card.get_by_role("button", name="Edit the comment").click()
    await card.get_by_role("textbox", name="Edit the comment").fill("Indeed")
    await card.get_by_role("button", name="Save").click()
    await expect(theirs.locator(".comment")).to_contain_text("Indeed")
    await card.get_by_role("button", name="Remove the comment").click()
    await expect(theirs.locator(".comment")).to_have_count(0)
