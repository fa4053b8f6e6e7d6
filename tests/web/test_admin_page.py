"""The admin's page: running events, slow commands, one event's details, and one act."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from handlers.lanes import batch_end
from tests.web.axe import faults
from tests.web.conftest import StartSite, Visit
from tests.web.entering import enter
from tests.web.fit import misfits
from tests.web.stage import Stage

TOKEN = "an admin's token of the tests, long enough"
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB"}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "color_scheme": "dark",
    "locale": "ko-KR",
    "has_touch": True,
    "is_mobile": True,
}


async def fit(page: Page, name: str) -> None:
    """axe finds no fault in the view, it fits, and its picture is kept if asked."""
    assert await faults(page) == [], name
    assert await misfits(page, name) == []
    if folder := os.environ.get("AYES_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"admin-{name}.png")


@pytest.mark.parametrize("way", ["desk", "phone"])
async def test_the_admin_looks_and_acts(
    start_site: StartSite, visit: Visit, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(batch_end, "SLOW_TRANSACTION_S", 0.0)
    site = await start_site(admin_token=TOKEN)
    async with Stage(site.base) as stage:
        # The revocation stays in the database, which both runs share.
        event, _ = await stage.event(f"Ada {way}", f"Ben {way}", f"Cleo {way}")
        await enter(visit, site, f"Dora {way}")
        admin = await visit(site, "/admin", **(DESK if way == "desk" else PHONE))
        page = admin.page
        admin.watch.allow(r"401")
        await page.locator("input[name=token]").fill("not the admin's token, though long")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.locator("input[name=token]").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator(".figure")).to_have_count(8)
        await expect(page.locator(f"a[href='#/event/{event}']").first).to_be_visible()
        await fit(page, f"now-{way}")

        await page.locator("nav a").nth(2).click()
        rows = page.locator("ul.rows > li")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text(f"Dora {way}")
        await fit(page, f"sockets-{way}")
        await page.locator("nav a").nth(3).click()
        link = page.locator(f"a[href='#/event/{event}']")
        # The list is by id, in pages, and other tests have made events in this database.
        more = page.get_by_role("button", name="More", exact=True)
        # Neither is in the list before.
        await expect(link.or_(more).first).to_be_visible()
        while await link.count() == 0:
            shown = await page.locator("ul.rows > li").count()
            await more.click()
            await expect(page.locator("ul.rows > li").nth(shown)).to_be_visible()
        await link.click()
        await expect(page.locator("h2").first).to_contain_text("Where do we meet?")
        await fit(page, f"event-{way}")

        # An event is opened, then changed; a dialog asks first.
        await page.locator("section a[href^='#/user/']").first.click()
        ask = page.locator("button[data-ask=revoke]")
        await ask.click()
        await fit(page, f"user-{way}")
        await page.get_by_role("group").get_by_role("button").first.click()
        await expect(page.get_by_role("status")).to_be_visible()
        await expect(rows.filter(has_text="127.0.0.1")).to_have_count(0)


@pytest.mark.parametrize("way", ["desk", "phone"])
async def test_the_admin_erases_and_deletes_after_typing_what(
    start_site: StartSite, visit: Visit, tmp_path: Path, way: str
) -> None:
    site = await start_site(admin_token=TOKEN, export_dir=tmp_path)
    async with Stage(site.base) as stage:
        event, _ = await stage.event(f"Ada {way} erases", f"Wqpname {way}")
        proposal = await stage.propose(f"Wqpname {way}", event, "Wqpwords of mine")
        shown = (await stage.room(f"Ada {way} erases", event))["proposals"][proposal]
        admin = await visit(site, "/admin", **(DESK if way == "desk" else PHONE))
        page = admin.page
        admin.watch.allow(r"404")
        await page.locator("input[name=token]").fill(TOKEN)
        await page.keyboard.press("Enter")
        await expect(page.locator(".figure")).to_have_count(8)
        await page.goto(f"{site.base}/admin#/user/{shown['author']}")
        await page.locator(f"button[data-ask='erase-{event}']").click()
        act = page.locator("form button[type=submit]")
        await expect(act).to_be_disabled()
        await page.keyboard.type(shown["author"])
        await expect(act).to_be_enabled()
        await page.evaluate("Promise.allSettled(document.getAnimations().map((a) => a.finished))")
        await fit(page, f"erase-{way}")
        await act.click()
        await expect(page.locator(".confirmed")).to_contain_text("it verifies")
        shown = (await stage.room(f"Ada {way} erases", event))["proposals"][proposal]
        assert shown["content"].startswith("[erased ")

        await page.goto(f"{site.base}/admin#/event/{event}")
        await page.locator("button[data-ask=delete]").click()
        await page.keyboard.type("Where do we")
        await expect(act).to_be_disabled()
        await page.keyboard.type(" meet?")
        await expect(act).to_be_enabled()
        await page.mouse.move(0, 0)
        await page.evaluate("Promise.allSettled(document.getAnimations().map((a) => a.finished))")
        await fit(page, f"delete-{way}")
        await page.keyboard.press("Enter")
        await expect(page.locator(".confirmed")).to_contain_text(str(tmp_path))
        await expect(page.locator(f"a[href='#/event/{event}']")).to_have_count(0)
        [export] = tmp_path.glob("*.jsonl")
        assert "Wqp" not in export.read_text()


async def test_without_a_token_there_is_no_admin_page(site: Any, visit: Visit) -> None:
    visitor = await visit(site, "/")
    answer = await visitor.page.request.get(f"{site.base}/admin")
    assert answer.status == 404
