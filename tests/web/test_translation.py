"""Translators and extensions change the page's text nodes; the page's texts stay correct."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage

#: Chromium's translation does this: it replaces each text by two nested elements.
TRANSLATE = """() => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const texts = [];
    while (walk.nextNode()) if (walk.currentNode.data.trim()) texts.push(walk.currentNode);
    for (const text of texts) {
        if (text.parentElement.closest("font, script, style, textarea")) continue;
        const outer = document.createElement("font");
        const inner = outer.appendChild(document.createElement("font"));
        inner.textContent = `[${text.data}]`;
        text.replaceWith(outer);
    }
}"""
#: Writing aids and dark modes do this: nodes among ours, texts split, attributes set.
EXTEND = """() => {
    for (const el of document.querySelectorAll("article p, article button, .tally, textarea")) {
        el.setAttribute("data-darkreader-inline-color", "");
        el.after(document.createElement("grammarly-extension"));
        if (el.firstChild?.nodeType === Node.TEXT_NODE && el.firstChild.length > 2) {
            el.firstChild.splitText(2);
        }
    }
}"""
#: Scripts that change a text in place.
RETELL = """() => {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
        const { data } = walk.currentNode;
        if (data.trim() && !data.startsWith("~")) walk.currentNode.data = `~${data}`;
    }
}"""


async def meddled(page: Page, *ways: str) -> None:
    """Other programs changed the page's texts by now."""
    for way in ways:
        await page.evaluate(way)


async def test_a_translated_page_counts_on_and_does_not_grow(site: Running, visit: Visit) -> None:
    names = [f"Guest {number}" for number in range(7)]
    policy = {"membership_auto": True, "criterion": {"threshold": 20}}
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", *names, policy=policy)
        asked = await stage.propose("Ada", event, "Calm")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        card = proposal(page, "Calm")
        await expect(card.get_by_text("0 of 8 agree")).to_be_visible()
        before = len(await card.inner_text())
        for count, name in enumerate(names, 1):
            await meddled(page, TRANSLATE, EXTEND)
            await stage.vote(event, asked, name)
            await expect(card.locator(".tally-words b")).to_contain_text(f"{count} of 8 agree")
        await expect(card.locator(".tally-words b")).to_have_count(1)
        await meddled(page, TRANSLATE)
        assert len(await card.inner_text()) < before + 120
        assert (await card.inner_text()).count("of 8 agree") == 1


async def test_what_translation_holds_goes_when_its_place_goes(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        asked = await stage.propose("Ada", event, "Calm")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        card = proposal(page, "Calm")
        await expect(card.get_by_text("0 of 2 agree")).to_be_visible()
        await meddled(page, RETELL, TRANSLATE, EXTEND)
        await stage.run("Ada", "proposal.accept", event=event, proposal=asked)
        await expect(card.locator(".outcome")).to_contain_text("Accepted")
        await expect(card.get_by_text("agree", exact=False)).to_have_count(1)
        # The whole page in another language: no text of the previous one is left.
        await meddled(page, TRANSLATE)
        await page.locator(".menu summary").click()
        await page.get_by_role("button", name="한국어").click()
        await expect(card.locator(".outcome")).to_contain_text("통과")
        assert "Accepted" not in await page.locator("main").inner_text()


async def test_typing_goes_on_while_an_extension_stands_beside_the_field(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        await page.get_by_role("button", name="Propose a criterion").click()
        field = page.get_by_label("Propose a criterion")
        await field.press_sequentially("Quiet")
        await meddled(page, EXTEND, TRANSLATE)
        for number in range(3):
            await stage.propose("Grace", event, f"Criterion {number}")
        await expect(page.locator("article.proposal")).to_have_count(3)
        await expect(field).to_be_focused()
        await field.press_sequentially(" at night")
        await expect(field).to_have_value("Quiet at night")
