"""Nothing is cut, covered or too small for a finger, in any state of an event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import Wire, enter, proposal
from tests.web.fit import misfits
from tests.web.stage import Stage

NARROW: dict[str, Any] = {
    "viewport": {"width": 320, "height": 640},
    "has_touch": True,
    "is_mobile": True,
    "reduced_motion": "reduce",
}
LONG = "A farmhouse with a barn, half an hour by bus from the station at Kirchheimbolanden"
ARABIC: dict[str, Any] = {
    "subject": "أين نعقد اجتماع الربيع؟",
    "options": ["بيروت", "مزرعة قرب جونيه (مع موقف)"],
    "criteria": ["وقت للحديث دون إزعاج", "الكلفة: 1,200 للفرد"],
    "assumptions": ["يمكننا جميعًا السفر في الأسبوع الثاني من نيسان."],
}


async def kinds(page: Page) -> dict[str, dict[str, Any]]:
    """The rules of every kind of event, as the page makes them."""
    script = """async () => {
        const { PRESETS, presetPolicy, newPolicy } = await import("/app/policy.js");
        const of = (name) => [name, newPolicy(presetPolicy(name)) ?? {}];
        return JSON.stringify(Object.fromEntries(Object.keys(PRESETS).map(of)));
    }"""
    found: dict[str, dict[str, Any]] = json.loads(await page.evaluate(script))
    return found


async def test_every_kind_of_event_fits_a_narrow_phone_in_each_of_its_states(
    site: Running, visit: Visit
) -> None:
    page = (await enter(visit, site, "Bob", **NARROW)).page
    options = ["Hall", LONG, "Roof"]
    wrong: list[str] = []
    async with Stage(site.base) as stage:
        for kind, policy in (await kinds(page)).items():
            event, _ = await stage.event(
                "Ada", "Bob", "Cleo", start=False, options=options, criteria=["Cost", LONG],
                subject=LONG, policy=policy | {"membership_auto": True},
            )  # fmt: skip
            await page.goto(f"{site.base}/#/e/{event}")
            await expect(page.locator(".checks")).to_be_visible()
            wrong += await misfits(page, f"{kind}, not started")
            await stage.run("Ada", "event.start", event=event)
            asked = await stage.propose("Cleo", event, f"{LONG}!", reason="Last year taught us.")
            card = proposal(page, f"{LONG}!")
            await card.get_by_role("button", name="Agree").click()
            await expect(card.get_by_text("Confirmed")).to_be_visible()
            wrong += await misfits(page, f"{kind}, voted")
            await page.goto(f"{site.base}/#/e/{event}/ballot")
            await expect(page.get_by_role("button", name="Submit ballot")).to_be_visible()
            wrong += await misfits(page, f"{kind}, ballot")
            state = await stage.room("Ada", event)
            ids, ranked = list(state["options"]), policy.get("ballot", {}).get("method") == "ranked"
            for name, first in (("Bob", 1), ("Ada", 0), ("Cleo", 1)):
                order = [ids[first], ids[(first + 1) % 3]]
                choice: dict[str, Any] = {"options": order} if ranked else {"option": order[0]}
                choice["criteria_rev"] = state["event"]["criteria_rev"]
                await stage.run(name, "ballot.submit", event=event, **choice)
            await expect(page.get_by_text("Your ballot is in.")).to_be_visible()
            wrong += await misfits(page, f"{kind}, ballot given")
            await stage.run("Ada", "event.pause", event=event)
            await page.goto(f"{site.base}/#/e/{event}")
            await expect(page.locator(".banner").filter(has_text="is paused")).to_be_visible()
            wrong += await misfits(page, f"{kind}, paused")
            await stage.run("Ada", "proposal.accept", event=event, proposal=asked)
            await stage.run("Ada", "event.finish", event=event)
            await expect(page.locator(".winner")).to_be_visible()
            wrong += await misfits(page, f"{kind}, result")
            await page.goto(f"{site.base}/#/e/{event}/history")
            await expect(page.locator(".entry")).to_have_count(1)
            wrong += await misfits(page, f"{kind}, history")
    assert wrong == []


async def test_dialogs_forms_and_the_lost_line_fit_a_narrow_phone(
    site: Running, visit: Visit
) -> None:
    wire = Wire()
    wrong: list[str] = []
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", "Grace", policy={"membership_auto": True}, **ARABIC)
        await stage.propose("Grace", event, ARABIC["options"][1], reason="كما في العام الماضي!")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}", prepare=wire.lay, **NARROW)).page
        await expect(page.locator("article.proposal")).to_be_visible()
        wrong += await misfits(page, "Arabic")
        for act in ("Accept", "Comment", "New proposal", "Propose a conclusion"):
            await page.get_by_role("button", name=act).first.click()
        wrong += await misfits(page, "forms")
        # With the keyboard open, little is left, and it is for what is written.
        await page.set_viewport_size({"width": 320, "height": 320})
        await page.get_by_label("Propose a criterion").focus()
        await expect(page.locator(".tabs")).to_be_hidden()
        await page.set_viewport_size(NARROW["viewport"])
        await expect(page.locator(".tabs")).to_be_visible()
        for name in ("Invite", "Finish"):
            await page.get_by_role("button", name=name, exact=True).click()
            await expect(page.get_by_role("dialog")).to_be_visible()
            wrong += await misfits(page, name)
            await page.keyboard.press("Escape")
            await expect(page.get_by_role("dialog")).to_have_count(0)
        await page.get_by_role("button", name="Finish", exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name="Finish").click()
        wrong += await misfits(page, "undo")
        await page.get_by_role("button", name="Undo").click()
        await page.goto(f"{site.base}/#/e/{event}/people")
        await expect(page.locator(".tab-people")).to_be_visible()
        for more in await page.locator("details > summary").all():
            if await more.is_visible():
                await more.click()
        wrong += await misfits(page, "people")
        await page.goto(f"{site.base}/#/e/{event}/screen")
        await expect(page.locator(".big-feed .card")).to_be_visible()
        wrong += await misfits(page, "big screen")
        await page.goto(f"{site.base}/#/e/{event}")
        await expect(page.locator(".tab-decide")).to_be_visible()
        await wire.sever()
        await page.get_by_role("button", name="Agree:").click()
        await page.locator(".waiting-menu summary").click()
        wrong += await misfits(page, "no connection")
        guest = (await visit(site, f"/#/join/{code}", **NARROW)).page
        await expect(guest.locator("h1")).to_be_visible()
        wrong += await misfits(guest, "join")
    assert wrong == []


@pytest.mark.parametrize("path", ["/#/nowhere", "/#/join/ZZZZZZ", "/#/i/nothing", "/#/new"])
async def test_views_without_an_event_fit_a_narrow_phone(
    path: str, site: Running, visit: Visit
) -> None:
    page = (await enter(visit, site, "Ada", **NARROW)).page
    title = await page.title()
    await page.goto(path)
    # The view of before stays for a moment.
    await expect(page).not_to_have_title(title)
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator(".loading")).to_have_count(0)
    for more in await page.locator("main details > summary").all():
        await more.click()
    assert await misfits(page, path) == []
