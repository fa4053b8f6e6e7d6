"""Texts as people write them: in any direction, pasted, too long, with lists and links."""

from __future__ import annotations

import re

from playwright.async_api import BrowserContext, Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage

FAMILY = "\U0001f468‍\U0001f469‍\U0001f467‍\U0001f466"
ARABIC = "\u0647\u0630\u0627 \u0623\u0641\u0636\u0644."
SARA = "\u0633\u0627\u0631\u0629."


async def pasted(page: Page, text: str) -> None:
    """Paste as from another program, into the field that has the focus."""
    await page.evaluate("(text) => navigator.clipboard.writeText(text)", text)
    await page.keyboard.press("ControlOrMeta+v")


async def test_words_of_others_keep_their_own_direction(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", f"{FAMILY} Saja", SARA, options=[ARABIC])
        await stage.propose(SARA, event, ARABIC, reason=ARABIC)
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        said = proposal(page, ARABIC).locator(".words")
        for place in (said, page.locator(".options .words"), page.locator("blockquote.reason")):
            assert await place.evaluate("(el) => getComputedStyle(el).direction") == "rtl"
        # A name does not change the direction of its sentence.
        author = proposal(page, ARABIC).locator(".proposal-head bdi")
        assert await author.evaluate("(el) => getComputedStyle(el).unicodeBidi") == "isolate"
        await page.get_by_role("link", name="People").click()
        whole = re.compile(f"^{FAMILY}$")
        await expect(page.locator(".people-list .face").filter(has_text=whole)).to_be_visible()
        await (
            page.locator(".people-list li")
            .filter(has_text=SARA)
            .get_by_role("button", name="Remove")
            .click()
        )
        title = await page.get_by_role("dialog").get_by_role("heading").inner_text()
        assert title == f"Remove \u2068{SARA}\u2069 from “Where do we meet?”"


async def test_pasted_lines_are_options_and_nothing_is_cut(site: Running, visit: Visit) -> None:
    ada = await enter(visit, site, "Ada", "/#/new")
    await ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = ada.page
    await page.get_by_label("Option 1").focus()
    await pasted(page, "Sea\r\nHills\vCity\n\n")
    for number, name in enumerate(("Sea", "Hills", "City"), 1):
        await expect(page.get_by_label(f"Option {number}")).to_have_value(name)
    await page.get_by_label("Criterion 1").fill("\U0001f600" * 150)
    await expect(page.get_by_label("Criterion 1")).to_have_value("\U0001f600" * 150)
    create = page.get_by_role("button", name="Create the event")
    await expect(page.get_by_text("Write what is to be decided first.")).to_be_visible()
    subject = page.get_by_label("What is to be decided?")
    await subject.fill("a" * 230)
    await expect(subject).to_have_value("a" * 230)
    await expect(page.get_by_text("30 characters too many")).to_be_visible()
    await expect(create).to_be_disabled()
    await subject.fill("Where?")
    await create.click()
    await expect(page.locator(".options .words")).to_have_text(["Sea", "Hills", "City"])
    # Before the start, lines become items here as well.
    await page.get_by_role("button", name="Add an option").click()
    await pasted(page, "Lake\nMoon")
    await expect(page.get_by_text("2 lines, each one of its own")).to_be_visible()
    await page.get_by_role("button", name="Add", exact=True).click()
    names = ["Sea", "Hills", "City", "Lake", "Moon"]
    await expect(page.locator(".options .words")).to_have_text(names)


async def test_a_text_that_is_too_long_stays_whole_and_says_how_much(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Calm")
    page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    await page.get_by_role("button", name="Propose a criterion").click()
    field = page.get_by_label("Propose a criterion")
    await field.fill("b" * 2_502)
    assert len(await field.input_value()) == 2_502
    send = page.get_by_role("button", name="Propose", exact=True)
    await expect(send).to_be_disabled()
    await expect(page.get_by_text("502 characters too many").first).to_be_visible()
    await field.fill("b" * 2_000)
    await expect(send).to_be_enabled()
    card = proposal(page, "Calm")
    await card.get_by_role("button", name="Comment").click()
    await card.get_by_role("textbox", name="Comment").fill("c" * 2_001)
    await expect(card.get_by_role("button", name="Send")).to_be_disabled()
    await expect(card.get_by_text("1 character too many")).to_be_visible()


async def test_the_servers_own_sentence_is_shown(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
    page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    await page.get_by_role("button", name="Propose a criterion").click()
    await page.get_by_label("Propose a criterion").fill("A bell\u0007")
    await page.get_by_role("button", name="Propose", exact=True).click()
    refused = page.locator(".note.refused").first
    await expect(refused).to_contain_text("U+0007")


async def test_lists_links_and_bold_words_are_shown_and_nothing_else_is(
    site: Running, visit: Visit
) -> None:
    text = (
        "**Three** things (see https://example.org/a_(b).):\n- near, *very* near\n- quiet\n"
        "1. javascript:alert(1)\n<img src=x onerror=alert(1)>\nhttps://good.example@evil.example/"
    )
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, text)
    page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
    said = proposal(page, "things").locator(".change .words")
    await expect(said.locator("strong")).to_have_text(["Three"])
    await expect(said.locator("ul li")).to_have_text(["near, *very* near", "quiet"])
    await expect(said.locator("ol li")).to_have_text(["javascript:alert(1)"])
    await expect(said.locator("img")).to_have_count(0)
    links = said.locator("a")
    await expect(links).to_have_count(1)
    await expect(links).to_have_attribute("href", "https://example.org/a_(b)")
    await expect(links).to_have_attribute("rel", "noopener noreferrer nofollow")


async def test_a_browser_without_the_newest_parts_of_intl_shows_the_page(
    site: Running, visit: Visit
) -> None:
    """Firefox had no ``Segmenter`` before 2024, Safari no ``ListFormat`` before 2021."""

    async def older(context: BrowserContext) -> None:
        await context.add_init_script("delete Intl.Segmenter; delete Intl.ListFormat;")

    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada")
    page = (await enter(visit, site, "Grace", f"/#/join/{code}", prepare=older)).page
    await page.get_by_role("button", name="Join").click()
    await page.wait_for_url(f"**/#/e/{event}")
    await page.goto(f"/#/e/{event}/people")
    await expect(page.locator(".people-list")).to_contain_text("Grace")
