"""Every view, in both languages and both colour schemes, on a desktop and on a phone.

``scripts/screenshots`` runs this with ``AYES_SCREENSHOTS`` naming a folder, and keeps the pictures.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from handlers.rules.permissions import PERMISSIONS
from tests.promises.running import Running
from tests.web.axe import faults
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.fit import misfits
from tests.web.offsite import OFFSITE, busy_event, finished_event
from tests.web.stage import Stage

#: What arrives is there at once: colours are checked as they stay.
STILL: dict[str, Any] = {"reduced_motion": "reduce"}
DESK: dict[str, Any] = STILL | {"viewport": {"width": 1280, "height": 860}}
PHONE: dict[str, Any] = STILL | {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
NARROW: dict[str, Any] = PHONE | {"viewport": {"width": 320, "height": 700}}
WAYS = {
    "desk-light-en": DESK | {"color_scheme": "light", "locale": "en-GB"},
    "desk-dark-en": DESK | {"color_scheme": "dark", "locale": "en-GB"},
    "phone-dark-ko": PHONE | {"color_scheme": "dark", "locale": "ko-KR"},
    "narrow-light-ko": NARROW | {"color_scheme": "light", "locale": "ko-KR"},
}
#: The pictures in the documentation: way and view → name.
KEPT = {
    ("desk-light-en", "room"): "room",
    ("phone-dark-ko", "room"): "room-phone",
    ("desk-light-en", "results"): "results",
}


async def seen(page: Page, way: str, view: str) -> list[str]:
    """The faults of the view; its picture is kept if one is wanted."""
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator(".loading")).to_have_count(0)
    wrong = await misfits(page, f"{way} {view}")
    wrong += [f"{way} {view}: {fault}" for fault in await faults(page)]
    folder, name = os.environ.get("AYES_SCREENSHOTS"), KEPT.get((way, view))
    if folder and name:
        await page.screenshot(path=Path(folder) / f"{name}.png")
    return wrong


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", WAYS)
async def test_every_view_is_fit_for_all(way: str, site: Running, visit: Visit) -> None:
    """axe finds no serious fault, and nothing is cut or too small for a finger."""
    words = OFFSITE[way.rpartition("-")[2]]
    async with Stage(site.base) as stage:
        event, code = await busy_event(stage, words)
        done = await finished_event(stage, words)
    # View → what it waits for, if that comes after the heading.
    late = {
        "events": f"main a[href*='{event}']",
        "room": "article.proposal",
        "people": "main li",
        "history": ".entry.rejected",
        "results": ".winner",
    }
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
    await page.locator("input[name=name]").fill(words.people[0])
    await page.keyboard.press("Enter")
    await expect(page.locator(".line.open")).to_be_visible()
    for view, path in views.items():
        await page.goto(path)
        if view == "rules":
            await page.locator(".settings .button").first.click()
        if view in late:
            await expect(page.locator(late[view]).first).to_be_visible()
        wrong += await seen(page, way, view)
    assert wrong == []


def holes(text: Any) -> set[str]:
    """Names of the values that are put into ``text``; one with forms for numbers is an object."""
    return set(re.findall(r"\{\w+\}", json.dumps(text)))


async def test_whoever_waits_has_a_view_that_is_fit_for_all(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", policy={})
        await stage.run("Grace", "membership.join", code=code)
    page = (await enter(visit, site, "Grace", f"/#/e/{event}", **DESK)).page
    await expect(page.get_by_text("Waiting for an admin")).to_be_visible()
    assert await seen(page, "desk", "waiting") == []


async def test_what_is_offered_is_what_the_server_permits(site: Running, visit: Visit) -> None:
    page = (await visit(site)).page
    table = await page.evaluate("async () => (await import('/app/permissions.js')).PERMISSIONS")
    server = {
        command.__struct_config__.tag: (permission.role.value, set(permission.statuses))
        for command, permission in PERMISSIONS.items()
    }
    assert {name: (one["who"], set(one["statuses"])) for name, one in table.items()} == server


async def test_both_languages_say_the_same_things(site: Running, visit: Visit) -> None:
    page = (await visit(site)).page
    load = "async (tag) => (await import(`/app/strings/${tag}.js`)).default"
    english, korean = [await page.evaluate(load, tag) for tag in ("en", "ko")]
    assert set(english) == set(korean)
    for key, text in english.items():
        assert holes(korean[key]) == holes(text), key
