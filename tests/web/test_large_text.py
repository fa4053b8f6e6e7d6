"""With text at twice its size, as a browser's own setting makes it, every view fits its window."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import BrowserContext, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.fit import misfits
from tests.web.stage import Stage
from tests.web.test_names import DRAWN, OPEN_ALL, finish

SIZES: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True},
    "desktop": {"viewport": {"width": 1280, "height": 800}},
}
WORD = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrente"
NAME = "Wolfeschlegelsteinhausenbergerdorff von und zu Hohenlohe-Waldenburg-Schillingsfürst"
#: What a user gets who sets the browser's font to twice its size.
LARGE = """const enlarge = () => document.documentElement?.style.setProperty("font-size", "200%");
enlarge();
addEventListener("DOMContentLoaded", enlarge);"""


async def enlarge(context: BrowserContext) -> None:
    """All pages of ``context`` have large text."""
    await context.add_init_script(LARGE)


@pytest.mark.parametrize("size", SIZES)
async def test_every_view_fits_with_large_text(site: Running, visit: Visit, size: str) -> None:
    wrong: list[str] = []
    options = SIZES[size] | {"reduced_motion": "reduce"}
    page = (await visit(site, prepare=enlarge, **options)).page
    await expect(page.locator("input[name=name]")).to_be_visible()
    wrong += await misfits(page, "sign in")
    async with Stage(site.base) as stage:
        event, code = await stage.event(
            "Ada", NAME, "Cleo", start=False, subject=f"{WORD}?", options=["Sea", WORD],
            assumptions=[WORD], criteria=["Cost", WORD],
            policy={
                "membership_auto": True, "votes": "named",
                "stances": ["agree", "against", "abstain"],
            },
        )  # fmt: skip
        page = (await enter(visit, site, "Ada", prepare=enlarge, **options)).page
        await expect(page.locator(".event-list li").first).to_be_visible()
        wrong += await misfits(page, "my events")
        await page.goto(f"{site.base}/#/new")
        await expect(page.get_by_role("button", name="Create the event")).to_be_visible()
        await page.evaluate(OPEN_ALL)
        await page.evaluate(DRAWN)
        wrong += await misfits(page, "new event")
        for status in ("not started", "in progress", "finished"):
            if status == "in progress":
                await stage.run("Ada", "event.start", event=event)
                asked = await stage.propose(NAME, event, f"{WORD}!", reason=WORD)
                await stage.vote(event, asked, "Ada", NAME)
                await stage.run("Cleo", "comment.add", event=event, proposal=asked, content=WORD)
                await stage.propose("Ada", event, "Calm")
            if status == "finished":
                await stage.run("Ada", "proposal.accept", event=event, proposal=asked)
                await finish(stage, page, "Ada", event)
            for tab in ("decide", "ballot", "people", "history", "settings"):
                await page.goto(f"{site.base}/#/e/{event}{'' if tab == 'decide' else f'/{tab}'}")
                await expect(page.locator(f".tab-{tab}")).to_be_visible()
                wrong += await misfits(page, f"{status}, {tab}")
                await page.evaluate(OPEN_ALL)
                await page.evaluate(DRAWN)
                wrong += await misfits(page, f"{status}, {tab}, open")
        await page.goto(f"{site.base}/#/join/{code}")
        await expect(page.locator("main h1")).to_be_visible()
        wrong += await misfits(page, "join")
    assert not wrong, "\n".join(wrong)
