"""Members on the page: admission, roles, invitations, and leaving."""

from __future__ import annotations

import base64
import re

import zxingcpp
from playwright.async_api import Locator, Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.stage import Stage

#: A picture's grey values, as a camera gives them: width, height, bytes in base 64.
GREYS = """async (png) => {
    const picture = new Image();
    picture.src = `data:image/png;base64,${png}`;
    await picture.decode();
    const canvas = new OffscreenCanvas(picture.width, picture.height);
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const { data } = context.getImageData(0, 0, picture.width, picture.height);
    let greys = "";
    for (let at = 1; at < data.length; at += 4) greys += String.fromCharCode(data[at]);
    return [picture.width, picture.height, btoa(greys)];
}"""


def row(page: Page, name: str) -> Locator:
    """The member called ``name``."""
    return page.locator(".people-list li").filter(has=page.get_by_text(name, exact=True))


async def said_by(code: Locator) -> str:
    """The text of the QR code, read from the screen."""
    png = base64.b64encode(await code.screenshot()).decode()
    width, height, greys = await code.page.evaluate(GREYS, png)
    picture = memoryview(base64.b64decode(greys)).cast("B", (height, width))
    [found] = zxingcpp.read_barcodes(picture)
    text: str = found.text
    return text


async def test_the_link_is_copied_and_its_code_read_and_a_new_code_is_another(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada")
    ada = await enter(visit, site, "Ada", f"/#/e/{event}")
    await ada.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = ada.page
    await page.get_by_role("button", name="Invite").click()
    invite = page.get_by_role("dialog")
    picture = invite.get_by_role("img", name="QR code")
    link = f"{site.base}/#/join/{code}"
    await expect(invite.locator(".link")).to_have_text(link)
    assert await said_by(picture) == link
    await invite.get_by_role("button", name="Copy the link").click()
    await expect(invite.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == link
    await invite.get_by_role("button", name="New code").click()
    await invite.get_by_role("button", name="Make a new code").click()
    await expect(invite.locator(".link")).not_to_have_text(link)
    changed = await invite.locator(".link").inner_text()
    assert re.fullmatch(rf"{re.escape(site.base)}/#/join/[A-Z0-9]{{6}}", changed)
    assert await said_by(picture) == changed
    # The code in dark colours is read as well.
    await page.emulate_media(color_scheme="dark")
    assert await said_by(picture) == changed


async def test_many_are_let_in_one_is_made_admin_and_the_last_admin_names_a_successor(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", policy={})
        for name in ("Grace", "Jean"):
            await stage.run(name, "membership.join", code=code)
        page = (await enter(visit, site, "Ada", f"/#/e/{event}/people")).page
        await page.get_by_role("button", name="Let all in").click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Let 2 people into “Where do we meet?”")
        await dialog.get_by_role("button", name="Let all in").click()
        await expect(page.get_by_text("2 people were let in.")).to_be_visible()
        await expect(row(page, "Jean").get_by_role("button", name="Make admin")).to_be_visible()
        for name in ("Mary", "Dorothy"):
            await stage.run(name, "membership.join", code=code)
        # By keyboard, since the button has just moved, and a press on it would not count yet.
        await page.get_by_role("button", name="Turn all down").press("Enter")
        await dialog.get_by_role("button", name="Turn all down").click()
        await expect(page.get_by_text("Mary")).to_have_count(0)
        await expect(page.locator(".people-list li")).to_have_count(3)
    grace = (await enter(visit, site, "Grace", f"/#/e/{event}/people")).page
    await row(page, "Grace").get_by_role("button", name="Make admin").click()
    await row(grace, "Grace").get_by_role("button", name="Make member").click()
    await expect(row(page, "Grace").get_by_role("button", name="Make admin")).to_be_visible()
    await page.get_by_role("button", name="Leave").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("combobox").select_option(label="Grace")
    await dialog.get_by_role("button", name="Leave").click()
    await expect(page.get_by_role("heading", name="My events")).to_be_visible()
    await expect(row(grace, "Grace")).to_contain_text("Admin")
    await expect(row(grace, "Ada")).to_have_count(0)


async def test_namesakes_can_be_told_apart_wherever_one_is_chosen_or_named(
    site: Running, visit: Visit
) -> None:
    """Case and width make no other name for the eye."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("ada", "bob", "eve")
        proposal = await stage.propose("bob", event, "It is near a station")
        await stage.run("bob", "membership.rename", event=event, name="Kim")
        await stage.run("eve", "membership.rename", event=event, name="\uff2bim")
        await stage.run("eve", "comment.add", event=event, proposal=proposal, content="So far?")
        bob, eve = (stage.users[name][-4:] for name in ("bob", "eve"))
    page = (await enter(visit, site, "ada", f"/#/e/{event}")).page
    await expect(page.locator("article.proposal header")).to_contain_text(f"Kim {bob}")
    await page.get_by_role("button", name="1 comment").click()
    await expect(page.locator(".comment")).to_contain_text(eve)
    await page.goto(f"/#/e/{event}/people")
    await page.get_by_role("button", name="Leave").click()
    heirs = page.get_by_role("combobox").locator("option")
    await expect(heirs.filter(has_text=f"({bob})")).to_have_count(1)
    await expect(heirs.filter(has_text=f"({eve})")).to_have_count(1)
    await page.keyboard.press("Escape")
    await page.locator("li").filter(has_text=eve).get_by_role("button", name="Remove").click()
    await expect(page.get_by_role("dialog")).to_contain_text(f"({eve})")


async def test_what_a_removed_or_former_member_has_open_is_closed_on_request(
    site: Running, visit: Visit
) -> None:
    async def open_proposals() -> set[str]:
        proposals = (await stage.room("Ada", event))["proposals"].values()
        return {one["content"] for one in proposals if one["status"] == "pending"}

    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", "Jean")
        for name, words in (("Grace", "One"), ("Grace", "Two"), ("Jean", "Three"), ("Ada", "Four")):
            await stage.propose(name, event, words)
        page = (await enter(visit, site, "Ada", f"/#/e/{event}/people")).page
        await row(page, "Grace").get_by_role("button", name="Remove").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("checkbox", name="Also close the 2 proposals").check()
        await dialog.get_by_role("button", name="Remove").click()
        await expect(row(page, "Grace")).to_have_count(0)
        assert await open_proposals() == {"Three", "Four"}
        await stage.run("Jean", "membership.leave", event=event)
        await page.get_by_role("link", name="Decide").click()
        close = page.get_by_role("button", name="Close all by this former member")
        await expect(close).to_have_count(1)
        await close.click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Close 1 open proposal by Jean?")
        await dialog.get_by_role("button", name="Close them").click()
        await expect(close).to_have_count(0)
        assert await open_proposals() == {"Four"}


async def test_a_room_that_was_not_open_yet_opens_when_the_join_is_answered(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada")
        page = (await enter(visit, site, "Grace", f"/#/join/{code}")).page
        await expect(page.get_by_role("button", name="Join")).to_be_visible()
        async with site.node.database.connection() as link, link.transaction():
            # The join waits behind this lock, and is answered behind the room.
            await link.execute("SELECT FROM events WHERE id = $1 FOR UPDATE", event)
            await page.get_by_role("button", name="Join").click()
            await page.goto(f"/#/e/{event}/people")
            await expect(page.get_by_role("heading", name="not open to you")).to_be_visible()
        await expect(page.locator(".people-list")).to_contain_text("Grace")
