"""Each kind of event, played by ten bots and two browsers to its result; one is a phone.

``AYES_SCREENSHOTS`` names a folder for the phone's pictures.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage

BOTS = [f"Bot {number}" for number in range(1, 11)]
#: Ten bots move much on the page. Without motion, that costs two thirds; the other tests have it.
STILL: dict[str, Any] = {"reduced_motion": "reduce"}
PHONE: dict[str, Any] = STILL | {"viewport": {"width": 390, "height": 844}, "has_touch": True}
MOTION = "Open to guests"
#: Preset → whether votes decide only at the close.
PRESETS = {
    "open": False,
    "poll": False,
    "motion": True,
    "consent": True,
    "secret": False,
    "ranked": False,
}


async def picture(page: Page, preset: str, what: str) -> None:
    if folder := os.environ.get("AYES_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{preset}-{what}.png", full_page=True)


async def fits(page: Page) -> None:
    """No element is wider than the screen."""
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{page.url} is {wide} pixels too wide"


async def made(ada: Page, preset: str) -> str:
    """The event that Ada makes on the page."""
    await ada.get_by_label("What is to be decided?").fill("Where do we meet?")
    await ada.locator(f"input[name=preset][value={preset}]").check()
    for number, option in enumerate(("Hall", "Park", "Roof"), 1):
        field = ada.get_by_label(f"Option {number}")
        if number > 1:
            await ada.get_by_role("button", name="Another option").click()
        await field.fill(option)
    await ada.get_by_role("button", name="Create the event").click()
    await expect(ada.get_by_role("heading", name="Where do we meet?")).to_be_visible()
    await expect(ada).to_have_url(re.compile("#/e/"))
    return ada.url.rsplit("/e/", 1)[1].split("/")[0]


async def lapse(site: Running, motion: str) -> None:
    """End a proposal's time."""
    async with site.node.database.connection() as link:
        await link.execute("UPDATE proposals SET expires_at = now() WHERE id = $1", motion)
    for lane in site.node.lanes._lanes.values():
        lane.state = None  # as if another node had moved the event


async def ballot(page: Page, preset: str) -> None:
    """Choose the park on the page, and after it the roof if the ballot is ranked."""
    if preset == "ranked":
        for option in ("Park", "Roof"):
            await page.get_by_role("button", name=f"Add: {option}").click()
    else:
        await page.get_by_role("radio", name="Park").check()
    await page.get_by_role("button", name="Submit ballot").click()
    await expect(page.get_by_text("Your ballot is in.")).to_be_visible()


@pytest.mark.parametrize("preset", PRESETS)
async def test_a_kind_of_event_is_played_to_its_result(
    site: Running, visit: Visit, preset: str
) -> None:
    ada = (await enter(visit, site, "Ada", "/#/new", **STILL)).page
    event = await made(ada, preset)
    async with Stage(site.base) as stage:
        code = (await stage.room("Ada", event))["event"]["entrance_code"]
        bob = (await enter(visit, site, "Bob", f"/#/join/{code}", **PHONE)).page
        await picture(bob, preset, "join")
        await bob.get_by_role("button", name="Join").click()
        for bot in BOTS:
            await stage.run(bot, "membership.join", code=code)
        if (await stage.room("Ada", event)).get("requests"):
            await stage.run("Ada", "membership.approve_all", event=event)
        await stage.run("Ada", "event.start", event=event)
        motion = await stage.propose(BOTS[0], event, MOTION)
        card = proposal(bob, MOTION)
        await expect(card.get_by_role("button", name="Agree")).to_be_visible()
        await picture(bob, preset, "decide")
        await fits(bob)
        for page in (ada, bob):
            await proposal(page, MOTION).get_by_role("button", name="Agree").click()
            await expect(proposal(page, MOTION).get_by_text("Confirmed")).to_be_visible()
        await picture(bob, preset, "voted")
        consents = preset == "consent"
        policy = (await stage.room("Ada", event))["event"]["policy"]
        for number, bot in enumerate(BOTS):
            state = (await stage.room(bot, event))["proposals"][motion]
            if state["status"] != "pending":
                break
            against = len(policy.get("stances", [])) > 1 and number > 6 and not consents
            stance = {"stance": "against"} if against else {}
            await stage.run(bot, "vote.cast", event=event, proposal=motion, revision=1, **stance)
        if PRESETS[preset]:
            await lapse(site, motion)
        for page in (ada, bob):
            await expect(page.locator(".criteria .item").filter(has_text=MOTION)).to_be_visible()
        found = (await stage.room("Ada", event))["proposals"][motion]
        assert (found["status"], found["resolution"]) == ("accepted", "auto_votes")
        await picture(bob, preset, "decided")

        state = await stage.room("Ada", event)
        options = sorted(state["options"], key=lambda id: int(state["options"][id]["position"]))
        for page in (ada, bob):
            await page.goto(f"{site.base}/#/e/{event}/ballot")
            await expect(page.get_by_role("button", name="Submit ballot")).to_be_visible()
        await picture(bob, preset, "ballot")
        await fits(bob)
        for page in (ada, bob):
            await ballot(page, preset)
        await picture(bob, preset, "ballot-given")
        for number, bot in enumerate(BOTS):
            first = options[number % 3]
            choice: dict[str, Any] = {"option": first}
            if preset == "ranked":
                choice = {"options": [first, *(one for one in options if one != first)]}
            choice["criteria_rev"] = state["event"]["criteria_rev"]
            await stage.run(bot, "ballot.submit", event=event, **choice)
        if await ada.get_by_role("button", name="Finish").count() == 0:
            await ada.goto(f"{site.base}/#/e/{event}")
        await ada.get_by_role("button", name="Finish").click()
        await ada.get_by_role("dialog").get_by_role("button", name="Finish").click()
        # engines/test_engines.py lets the seconds pass in which it can be undone.
        await ada.get_by_role("button", name="Do it now").click()
        await expect(ada.locator(".room-head")).to_contain_text("Finished")
        await ada.goto(f"{site.base}/#/e/{event}/ballot")
        for page in (ada, bob):
            await expect(page.get_by_text("Ballots: 12 of 12 members")).to_be_visible()
            await expect(page.get_by_text("Chosen", exact=True).first).to_be_visible()
        await picture(bob, preset, "result")
        await fits(bob)
        results = (await stage.room("Ada", event))["results"]
        votes = {one["option"]: one["votes"] for one in results["options"]}
        # The Roof goes out first, and its voters have the Hall next.
        wins = options[0] if preset == "ranked" else options[1]
        assert max(votes, key=lambda id: int(votes[id])) == wins
        await expect(bob.get_by_text("What weighed most")).to_have_count(0)
