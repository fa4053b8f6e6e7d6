"""Other media: colours that the system chooses, more contrast, no motion, and paper."""

from __future__ import annotations

from playwright.async_api import expect

from tests.promises.running import Running
from tests.web.axe import faults
from tests.web.conftest import Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage


async def test_in_forced_colours_tally_threshold_and_tab_can_be_told(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", "Jean")
        asked = await stage.propose("Grace", event, "Calm")
        await stage.vote(event, asked, "Grace")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}", forced_colors="active")).page
        await expect(proposal(page, "Calm")).to_be_visible()
        colour = "(el) => getComputedStyle(el).backgroundColor"
        fill = await page.locator(".track .fill").evaluate(colour)
        threshold = await page.locator(".track .threshold").evaluate(colour)
        ground = await page.locator(".track").evaluate(
            "(el) => getComputedStyle(el, '::before').backgroundColor"
        )
        assert len({fill, threshold, ground}) == 3
        current = await page.locator(".tabs [aria-current]").evaluate(colour)
        other = await page.locator(".tabs a:not([aria-current])").first.evaluate(colour)
        assert current != other
        choice = "[aria-pressed={}]"
        await page.get_by_role("link", name="History").click()
        pressed, loose = [
            await page.locator(f".choice button{choice.format(state)}").first.evaluate(colour)
            for state in ("true", "false")
        ]
        assert pressed != loose


async def test_on_paper_there_is_what_was_decided_and_nothing_to_press(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", options=["Sea"], criteria=["Cost"])
        await stage.propose("Grace", event, "Calm")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}", color_scheme="dark")).page
        await expect(proposal(page, "Calm")).to_be_visible()
        await page.emulate_media(media="print", color_scheme="dark")
        for gone in (".top", ".tabs", ".controls", ".actions", ".tools", ".button"):
            assert await page.locator(f"{gone}:visible").count() == 0, gone
        card = proposal(page, "Calm")
        await expect(card).to_be_visible()
        # "2 minutes ago" says nothing on paper.
        moment = card.locator("time").first
        stands = "(el) => [getComputedStyle(el).fontSize, getComputedStyle(el, '::after').content]"
        assert await moment.evaluate(stands) == ["0px", f'"{await moment.get_attribute("title")}"']
        kept = "(el) => [getComputedStyle(el).breakInside, getComputedStyle(el).backgroundColor]"
        assert await card.evaluate(kept) == ["avoid", "rgb(255, 255, 255)"]
        await page.emulate_media(media="screen")
        await stage.run("Ada", "event.finish", event=event)
        await page.goto(f"/#/e/{event}/ballot")
        await page.emulate_media(media="print")
        await expect(page.locator(".winner")).to_be_visible()


async def test_more_contrast_is_more_and_reduced_motion_is_still(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Calm")
    page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    await expect(proposal(page, "Calm")).to_be_visible()
    quiet = page.locator(".proposal-head p.quiet").first
    before = await quiet.evaluate("(el) => getComputedStyle(el).color")
    await page.emulate_media(contrast="more", reduced_motion="reduce")
    assert await quiet.evaluate("(el) => getComputedStyle(el).color") != before
    moving = await page.evaluate(
        "document.getAnimations().filter((one) => one.effect.getTiming().iterations > 1"
        " || one.effect.getTiming().duration > 50).length"
    )
    assert moving == 0
    assert await faults(page) == []
