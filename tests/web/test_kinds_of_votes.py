"""The page with presets, schedules, ballots of several options, and votes for and against."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import StartSite, Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage


async def test_each_preset_is_rules_that_the_server_takes_and_the_page_knows_again(
    site: Running, visit: Visit
) -> None:
    ada = (await enter(visit, site, "Ada", "/#/new")).page
    made = await ada.evaluate(
        "async () => { const p = await import('/app/policy.js');"
        " return Object.keys(p.PRESETS)"
        ".map((name) => [name, p.newPolicy(p.presetPolicy(name)) ?? {}]); }"
    )
    async with Stage(site.base) as stage:
        for name, policy in made:
            event = await stage.run("Ada", "event.create", subject=name, policy=policy)
            state = await stage.room("Ada", event["event"])
            again = await ada.evaluate(
                "async (policy) => (await import('/app/policy.js')).presetOf(policy)",
                state["event"]["policy"],
            )
            assert again == name, policy


async def test_a_ranked_ballot_is_put_in_order_and_its_rounds_are_shown(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event(
            "Ada",
            "Bob",
            "Cleo",
            "Dan",
            policy={"membership_auto": True, "ballot": {"method": "ranked", "named": True}},
            options=["Hall", "Park", "Roof"],
        )
        state = await stage.room("Ada", event)
        options = state["options"]
        _, park, roof = sorted(options, key=lambda option: options[option]["position"])
        ada = (await enter(visit, site, "Ada", f"/#/e/{event}/ballot")).page
        await expect(ada.get_by_text("Ballots are named")).to_be_visible()
        await ada.get_by_role("button", name="Add: Roof").click()
        await ada.get_by_role("button", name="Add: Hall").click()
        await ada.get_by_role("button", name="Move up: Hall").click()
        await ada.get_by_role("button", name="Submit ballot").click()
        await expect(ada.get_by_text("Your ballot is in.")).to_be_visible()
        for name, order in (("Bob", [park]), ("Cleo", [roof, park]), ("Dan", [park])):
            await stage.run(
                name,
                "ballot.submit",
                event=event,
                options=order,
                criterion_order=[],
                criteria_rev=1,
            )
        await stage.run("Ada", "event.finish", event=event)
        await expect(ada.get_by_role("heading", name="Round by round")).to_be_visible()
        found = (await stage.room("Ada", event))["results"]
        assert [len(one["out"]) for one in found["rounds"]] == [2, 0]
        await ada.get_by_text("Who chose what").click()
        await expect(ada.get_by_text("Hall and Roof")).to_be_visible()
        await ada.get_by_text("Was my ballot counted?").click()
        await expect(ada.get_by_text("Your ballot is line")).to_be_visible()
        await ada.get_by_role("button", name="Reopen").click()
        await ada.get_by_role("dialog").get_by_role("button", name="Reopen").click()
        await expect(ada.get_by_role("button", name="Replace ballot")).to_be_visible()


async def test_an_end_that_is_set_is_counted_down_by_the_server_s_clock(
    site: Running, visit: Visit
) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=30)
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", ends_at=ends.isoformat().replace("+00:00", "Z"))
        ada = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        left = ada.locator(".countdown")
        await expect(left).to_contain_text("Ends in 29 minutes")
        first = await left.inner_text()
        await expect(left).not_to_have_text(first)
        await ada.goto(f"{site.base}/#/e/{event}/settings")
        await ada.get_by_label("Ends by itself").fill("")
        await ada.get_by_role("button", name="Save").click()
        await expect(left).to_have_count(0)
        assert "ends_at" not in (await stage.room("Ada", event))["event"]


async def test_votes_for_against_and_abstaining_are_named_and_decide_at_the_end(
    site: Running, visit: Visit
) -> None:
    half = {"auto": True, "rule": "share", "share": "1/2", "more_than": True, "of": "votes"}
    policy = {
        "membership_auto": True,
        "criterion": half,
        "stances": ["agree", "against", "abstain"],
        "decide": "close",
        "ttl_seconds": 3_600,
        "votes": "named",
    }
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Bob", "Cleo", policy=policy)
        motion = await stage.propose("Bob", event, "Open to guests")
        for name, stance in (("Bob", "agree"), ("Cleo", "abstain")):
            await stage.run(
                name, "vote.cast", event=event, proposal=motion, revision=1, stance=stance
            )
        ada = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        card = proposal(ada, "Open to guests")
        await expect(card.get_by_text("1 of 3 agrees · 0 against · 1 abstains")).to_be_visible()
        await expect(card.get_by_text("As it stands, it passes")).to_be_visible()
        await expect(card.get_by_text("Named: members see how you vote.")).to_be_visible()
        await card.get_by_role("button", name="Against").click()
        await expect(card.get_by_text("1 of 3 agrees · 1 against · 1 abstains")).to_be_visible()
        await expect(card.get_by_text("As it stands, it does not pass")).to_be_visible()
        await card.get_by_text("Who said what").click()
        rows = card.locator(".votes-list li")
        await expect(rows.filter(has_text="Ada")).to_contain_text("is against")
        await expect(rows.filter(has_text="Cleo")).to_contain_text("abstains")
        await card.get_by_role("button", name="You are against").click()
        await expect(card.get_by_text("0 against")).to_be_visible()


async def test_a_hidden_tally_is_hidden_from_admins_too(site: Running, visit: Visit) -> None:
    policy = {"membership_auto": True, "tally": "close", "stances": ["agree", "against"]}
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Bob", policy=policy)
        motion = await stage.propose("Bob", event, "Open to guests")
        await stage.vote(event, motion, "Bob")
        ada = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        card = proposal(ada, "Open to guests")
        await expect(card.get_by_text("1 of 2 has taken part.")).to_be_visible()
        await expect(card.get_by_text("shown when it is decided")).to_be_visible()
        await expect(card.get_by_text("agree", exact=False).first).not_to_contain_text("of 2 agree")


async def test_a_roll_becomes_invitations_and_each_link_lets_one_person_in(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", policy={})
        ada = (await enter(visit, site, "Ada", f"/#/e/{event}/people")).page
        people = ada.get_by_role("textbox", name="People to invite, one a line")
        await people.fill('name,ref\n"Grace H.",7\nAl,8')
        await ada.get_by_role("button", name="Make 2 invitations").click()
        await expect(ada.get_by_text("2 invitations are made.")).to_be_visible()
        async with ada.expect_download() as saving:
            await ada.get_by_role("button", name="Save as CSV").click()
        rows = (await (await saving.value).path()).read_text("utf-8-sig").splitlines()
        name, link = rows[1].split(",")
        assert name == "Grace H."
        grace = (await visit(site, link.removeprefix(site.base), locale="en-GB")).page
        await grace.get_by_role("button", name="Enter with the invitation").click()
        await expect(grace.get_by_role("link", name="Decide")).to_be_visible()
        row = ada.locator("li").filter(has_text="Grace H.")
        await expect(row.filter(has_text="is in")).to_be_visible()
        # A person still chooses the name that the room shows.
        await grace.goto(f"{site.base}/#/e/{event}/people")
        await grace.get_by_text("Your name here").click()
        await grace.get_by_label("Name in this event").fill("Grace")
        await grace.get_by_role("button", name="Save").click()
        await expect(ada.locator("li").filter(has_text="Grace").first).to_be_visible()


async def test_a_guest_takes_part_by_the_code_alone(start_site: StartSite, visit: Visit) -> None:
    site = await start_site(guests="on")
    async with Stage(site.base) as stage:
        policy = {"membership_auto": True, "guests": True}
        _, code = await stage.event("Ada", policy=policy)
    guest = (await visit(site, f"/#/join/{code}", locale="en-GB")).page
    await take_part(guest, "Guy")
    # A guest who knows only the code types it on the first page.
    other = (await visit(site, "/", locale="en-GB")).page
    await other.get_by_label("Entrance code or link").fill(code.lower())
    await other.get_by_role("button", name="Look").click()
    await take_part(other, "Gil")


async def take_part(guest: Page, name: str) -> None:
    """Enter as a guest of the event whose code is in the address."""
    await guest.locator("form").filter(has_text="as a guest").get_by_label("Your name").fill(name)
    await guest.get_by_role("button", name="Take part as a guest").click()
    await guest.get_by_role("button", name="Join", exact=True).click()
    await expect(guest.get_by_role("link", name="Decide")).to_be_visible()
