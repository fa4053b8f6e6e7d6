"""Every view, in both languages and both colours, at a desk and in a hand.

``scripts/screenshots`` runs this with ``AYES_SCREENSHOTS`` naming a folder, and pictures are kept.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from handlers.permissions import PERMISSIONS
from tests.promises.running import Running
from tests.web.axe import faults
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.stage import Stage

DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
NARROW: dict[str, Any] = {"viewport": {"width": 320, "height": 700}}
WAYS = {
    "desk-light-en": DESK | {"color_scheme": "light", "locale": "en-GB"},
    "desk-dark-en": DESK | {"color_scheme": "dark", "locale": "en-GB"},
    "phone-dark-ko": PHONE | {"color_scheme": "dark", "locale": "ko-KR"},
    "narrow-light-ko": NARROW | {"color_scheme": "light", "locale": "ko-KR"},
}
#: Resolves when nothing moves any more but what always does.
STILL = """() => Promise.all(document.getAnimations()
    .filter((one) => one.effect.getTiming().iterations !== Infinity)
    .map((one) => one.finished.catch(() => {})))"""
#: The pictures that the documents show: way and view → name.
KEPT = {
    ("desk-light-en", "room"): "room",
    ("phone-dark-ko", "room"): "room-phone",
    ("desk-light-en", "results"): "results",
}
OFFSITE: dict[str, Any] = {
    "subject": "Where do we hold the spring offsite?",
    "options": ["Lisbon", "A farmhouse near Jeonju", "Stay home, and do up the office"],
    "assumptions": [
        "All nineteen of us can travel in the second week of April.",
        "The budget is 24,000 for everything.",
        "Nobody should spend more than a day on the way.",
    ],
    "criteria": ["Time to talk undisturbed", "Cost a head", "Easy to reach"],
    "policy": {"membership_auto": True, "criterion": {"threshold": 4}, "quorum_percent": 50},
}
OTHERS = ("Grace", "Barbara", "Jean", "Kathleen", "Mary", "Dorothy")


async def busy_event(stage: Stage) -> tuple[str, str]:
    """One with something of everything; Ada is its admin."""
    event, code = await stage.event("Ada", *OTHERS, **OFFSITE)
    state = await stage.room("Ada", event)
    _, budget, _ = state["assumptions"]
    calm, cost, _ = state["criteria"]
    settled = await stage.propose(
        "Grace", event, "Two rooms to talk in, and nobody else around",
        kind="conclusion", target=calm, base_version=0,
    )  # fmt: skip
    await stage.vote(event, settled, "Grace", "Barbara", "Jean", "Kathleen", "Mary")
    await stage.vote(
        event,
        await stage.propose("Barbara", event, "Nights are quiet", reason="Last year taught us."),
        *("Barbara", "Jean", "Kathleen"),
    )
    await stage.propose(
        "Jean", event, "The budget is 26,000 for everything but travel.",
        kind="assumption", category="update", target=budget, base_version=1,
    )  # fmt: skip
    asked = await stage.propose(
        "Kathleen", event, "At most 1,200, travel included",
        kind="conclusion", target=cost, base_version=0,
    )  # fmt: skip
    await stage.vote(event, asked, "Kathleen", "Ada", "Mary")
    await stage.run("Mary", "comment.add", event=event, proposal=asked, content="By train too?")
    no = await stage.propose("Dorothy", event, "There is karaoke")
    await stage.run("Ada", "proposal.reject", event=event, proposal=no, reason="Not what decides.")
    await stage.run("Ada", "event.set_policy", event=event, policy_version=1,
                    policy={"membership_auto": False})  # fmt: skip
    await stage.run("Margaret", "membership.join", code=code)
    return event, code


async def finished_event(stage: Stage) -> str:
    """One whose ballots are counted."""
    event, _ = await stage.event("Ada", *OTHERS, **OFFSITE)
    state = await stage.room("Ada", event)
    options, criteria = list(state["options"]), list(state["criteria"])
    for number, name in enumerate(("Ada", *OTHERS[:5])):
        turn = number % 3
        await stage.run(
            name, "ballot.submit", event=event, option=options[(1, 1, 0, 1, 2, 1)[number]],
            criterion_order=criteria[turn:] + criteria[:turn], criteria_rev=1,
        )  # fmt: skip
    await stage.run("Ada", "event.finish", event=event)
    return event


async def seen(page: Page, way: str, view: str) -> list[str]:
    """What is wrong with the view; its picture is kept where one is wanted."""
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator(".loading")).to_have_count(0)
    # Colours are looked at when nothing moves any more.
    await page.evaluate(STILL)
    wrong = [f"{way} {view}: {fault}" for fault in await faults(page)]
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    if wide > 0:
        wrong.append(f"{way} {view}: {wide} px too wide")
    folder, name = os.environ.get("AYES_SCREENSHOTS"), KEPT.get((way, view))
    if folder and name:
        await page.screenshot(path=Path(folder) / f"{name}.png")
    return wrong


@pytest.mark.timeout(120)
@pytest.mark.parametrize("way", WAYS)
async def test_every_view_is_fit_for_all(way: str, site: Running, visit: Visit) -> None:
    """No serious fault to axe, and nothing wider than the window."""
    async with Stage(site.base) as stage:
        event, code = await busy_event(stage)
        done = await finished_event(stage)
    views = {
        "events": "/#/",
        "new": "/#/new",
        "join": f"/#/join/{code}",
        "room": f"/#/e/{event}",
        "ballot": f"/#/e/{event}/ballot",
        "people": f"/#/e/{event}/people",
        "history": f"/#/e/{event}/history",
        "rules": f"/#/e/{event}/settings",
        "results": f"/#/e/{done}/ballot",
    }
    page = (await visit(site, **WAYS[way])).page
    await expect(page.locator("input[name=name]")).to_be_visible()
    wrong = await seen(page, way, "sign-in")
    await page.locator("input[name=name]").fill("Ada")
    await page.keyboard.press("Enter")
    await expect(page.locator(".line.open")).to_be_visible()
    for view, path in views.items():
        await page.goto(path)
        if view == "rules":
            await page.locator(".settings .button").first.click()
        wrong += await seen(page, way, view)
    assert wrong == []


async def test_whoever_waits_has_a_view_that_is_fit_for_all(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", policy={})
        await stage.run("Grace", "membership.join", code=code)
    page = (await enter(visit, site, "Grace", f"/#/e/{event}")).page
    await expect(page.get_by_text("Waiting for an admin")).to_be_visible()
    assert await seen(page, "desk", "waiting") == []


async def test_what_is_offered_is_what_the_server_permits(site: Running, visit: Visit) -> None:
    page = (await visit(site)).page
    table = await page.evaluate("async () => (await import('/app/permissions.js')).PERMISSIONS")
    server = {
        command.__struct_config__.tag: (permission.standing.value, set(permission.statuses))
        for command, permission in PERMISSIONS.items()
    }
    assert {name: (one["who"], set(one["statuses"])) for name, one in table.items()} == server


async def test_both_languages_say_the_same_things(site: Running, visit: Visit) -> None:
    page = (await visit(site)).page
    load = "async (tag) => (await import(`/app/strings/${tag}.js`)).default"
    english, korean = [await page.evaluate(load, tag) for tag in ("en", "ko")]
    assert set(english) == set(korean)
    holes = "(text) => [...new Set(JSON.stringify(text).match(/\\{\\w+\\}/g) ?? [])].sort()"
    for key, text in english.items():
        asked = await page.evaluate(holes, text)
        told = await page.evaluate(holes, korean[key])
        assert told == asked, key
