"""For users who hear the page: what is announced, how much of it, and the focus."""

from __future__ import annotations

from itertools import pairwise

from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import Wire, enter, proposal, whole
from tests.web.stage import Stage
from tests.web.watch import OUTAGE

#: Records each text of a live region, anywhere on the page.
LISTEN = """() => {
    window.said = [];
    new MutationObserver((all) => {
        for (const { target } of all) {
            const el = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
            const live = el?.closest("[aria-live], [role=status], [role=alert]");
            if (live) window.said.push(live.textContent);
        }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
}"""


async def said(page: Page) -> list[str]:
    """All announcements, without immediate repeats."""
    texts: list[str] = await page.evaluate("window.said")
    return [text for before, text in pairwise(["", *texts]) if text and text != before]


async def focused(page: Page) -> str:
    """The element that has the focus."""
    tag: str = await page.evaluate("document.activeElement.tagName")
    return tag


async def test_seconds_of_waiting_are_not_announced(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada")
    ada = await enter(visit, site, "Ada")
    ada.watch.allow(OUTAGE)
    wire = Wire()
    await wire.lay(ada.context)
    await ada.page.goto(f"/#/e/{event}")
    await ada.page.reload()
    await expect(ada.page.locator(".line.open")).to_be_visible()
    await ada.page.evaluate(LISTEN)
    await wire.sever()
    await expect(ada.page.locator(".line.away")).to_be_visible()
    lost = ada.page.get_by_text("The connection is lost.")
    await expect(lost).to_be_attached()
    seen = set()
    for _ in range(8):
        seen.add(await ada.page.locator(".line.away").inner_text())
        await ada.page.wait_for_timeout(500)
    await whole(ada.page, wire)
    await expect(ada.page.get_by_text("Connected again.")).to_be_attached()
    texts = await said(ada.page)
    assert len(texts) <= 4, texts
    assert not any("Next try" in text for text in texts)


async def test_what_others_do_is_gathered_into_one_line(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", "Grace", policy={})
        await stage.run("Grace", "membership.join", code=code)
        await stage.run("Ada", "membership.approve", event=event, user=stage.users["Grace"])
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        await expect(page.locator("#feed-title")).to_be_visible()
        await page.evaluate(LISTEN)
        asked = [await stage.propose("Grace", event, f"Criterion {n}") for n in range(6)]
        await stage.run("Jean", "membership.join", code=code)
        await expect(page.locator("#announcer")).to_contain_text("6 new proposals.")
        assert len(await said(page)) <= 3
        await stage.run("Ada", "proposal.accept", event=event, proposal=asked[0])
        await stage.run("Ada", "event.pause", event=event)
        line = page.locator("#announcer")
        await expect(line).to_contain_text("1 proposal was accepted.")
        await expect(line).to_contain_text("The event is paused.")
        await stage.run("Ada", "event.finish", event=event)
        await expect(line).to_contain_text("The event is finished.")


async def test_the_focus_stays_near_what_had_it(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", "Grace", policy={"criterion": {"threshold": 9}})
        await stage.run("Jean", "membership.join", code=code)
        await stage.propose("Ada", event, "Calm")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        card = proposal(page, "Calm")
        # Its button disappears with the decision.
        await card.get_by_role("button", name="Accept").click()
        await card.get_by_role("button", name="Accept now").focus()
        await page.keyboard.press("Enter")
        await expect(card.locator(".outcome")).to_be_visible()
        await expect(card).to_be_focused()
        # The dialog closes: the focus returns to the button that opened it.
        # The dialog has a button of the same name, for as long as it is drawn.
        finish = page.locator("main").get_by_role("button", name="Finish").first
        await finish.focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        await expect(finish).to_be_focused()
        # Another user does it while the focus is on it.
        await page.goto(f"/#/e/{event}/people")
        row = page.locator(".attention-card li").filter(has_text="Jean")
        await row.get_by_role("button", name="Let in").focus()
        user = stage.users["Jean"]
        await stage.run("Ada", "membership.reject", event=event, user=user)
        await expect(row).to_have_count(0)
        assert await focused(page) != "BODY"
        # Disabled while it is sent, or for good.
        await page.goto(f"/#/e/{event}")
        await page.get_by_role("button", name="Pause").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Resume")).to_be_visible()
        assert await focused(page) != "BODY"
