"""Bars, news and the offer to undo, which float over the page, lie on no control."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.stage import Stage

SIZES: dict[str, dict[str, Any]] = {
    "phone": {"viewport": {"width": 360, "height": 640}, "has_touch": True, "is_mobile": True},
    "desktop": {"viewport": {"width": 1200, "height": 700}},
}
#: Returns the controls of which something else lies on the middle, apart from the page's edges: the
#: bar at the top and the tabs. With `focusing`, each control is focused first, and then no edge is
#: an excuse.
COVERED = """async (focusing) => {
    const bars = [...document.querySelectorAll(".top, .tabs")];
    const isSeen = (el) => el.checkVisibility({ visibilityProperty: true }) && !el.disabled;
    const controls = [...document.querySelectorAll("main :is(a[href], button, input, textarea, summary)")]
        .filter((el) => isSeen(el) && !el.closest(".tabs, .unseen"));
    const covered = new Set();
    const look = (el) => {
        const { left, top, width, height } = el.getBoundingClientRect();
        const [x, y] = [left + width / 2, top + height / 2];
        if (y < 0 || y > innerHeight || !width) return;
        const found = document.elementFromPoint(x, y);
        if (!found || el === found || el.contains(found) || found.contains(el)) return;
        if (!focusing && bars.some((bar) => bar.contains(found))) return;
        covered.add(`${el.innerText || el.ariaLabel || el.tagName} under ${found.className || found.tagName}`);
    };
    const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    for (const el of focusing ? controls : []) {
        el.focus();
        await drawn();
        look(el);
    }
    for (let y = 0; !focusing && y < document.documentElement.scrollHeight; y += 60) {
        scrollTo(0, y);
        await drawn();
        controls.forEach(look);
    }
    return [...covered];
}"""  # noqa: E501


async def covered(page: Page, *, focusing: bool) -> list[str]:
    """The controls that something lies on."""
    found: list[str] = await page.evaluate(COVERED, focusing)
    return found


@pytest.mark.parametrize("size", SIZES)
async def test_news_of_a_proposal_cover_no_control(site: Running, visit: Visit, size: str) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        for number in range(8):
            await stage.propose("Grace", event, f"Criterion {number}")
        options = SIZES[size] | {"reduced_motion": "reduce"}
        page = (await enter(visit, site, "Ada", f"/#/e/{event}", **options)).page
        await expect(page.locator("article.proposal")).to_have_count(8)
        await page.evaluate("scrollTo(0, 0)")
        # It is new until its card was in view, which would end the test.
        await page.evaluate("() => { window.IntersectionObserver = class { observe() {} }; }")
        await stage.propose("Grace", event, "One more")
        news = page.get_by_role("button", name="1 new proposal.")
        await expect(news).to_be_in_viewport()
        assert await covered(page, focusing=False) == []
        await expect(news).to_be_in_viewport()
        await news.click()
        await expect(page.locator("article.proposal").last).to_be_in_viewport()
        await expect(news).to_have_count(0)


@pytest.mark.parametrize("size", SIZES)
async def test_a_control_that_is_focused_lies_under_nothing(
    site: Running, visit: Visit, size: str
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", criteria=["Cost", "Calm"], options=["Sea"])
        for number in range(4):
            await stage.propose("Grace", event, f"Criterion {number}")
        options = SIZES[size] | {"reduced_motion": "reduce"}
        page = (await enter(visit, site, "Ada", f"/#/e/{event}", **options)).page
        await expect(page.locator("article.proposal")).to_have_count(4)
        assert await covered(page, focusing=True) == []
        await page.get_by_role("button", name="Finish", exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name="Finish").click()
        await expect(page.locator(".undoing")).to_be_visible()
        assert await covered(page, focusing=True) == []
        await page.get_by_role("button", name="Undo").click()
