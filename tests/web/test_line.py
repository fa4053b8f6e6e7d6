"""The page on a line that breaks: no act is lost, counts twice, or is shown as done too early."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, expect

from server.transport.socket_transport import SocketTransport
from tests.promises.running import Running, killable, token
from tests.web.conftest import StartSite, Visit
from tests.web.entering import Wire, enter, proposal, whole
from tests.web.stage import Stage
from tests.web.watch import OUTAGE


async def test_the_network_goes_mid_vote_and_there_is_one_vote(site: Running, visit: Visit) -> None:
    """The server gets the vote, the page never gets the ack; it asks again, under the same id."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        asked = await stage.propose("Grace", event, "Calm")
        wire = Wire()
        ada = await enter(visit, site, "Ada", f"/#/e/{event}", prepare=wire.lay)
        ada.watch.allow(OUTAGE)
        card = proposal(ada.page, "Calm")
        await expect(card.get_by_role("button", name="Agree")).to_be_visible()
        wire.deaf = True
        await card.get_by_role("button", name="Agree").click()
        await expect(card.get_by_role("button", name="Agreeing")).to_be_visible()
        await expect(card.get_by_text("0 of 2 agree")).to_be_visible()
        while (await stage.room("Grace", event))["proposals"][asked]["agree"] == 0:
            await ada.page.wait_for_timeout(50)
        await wire.sever()
        await expect(card.get_by_text("Sent; waiting for the answer")).to_be_visible()
        # The page comes back by itself.
        wire.mend()
        await expect(card.get_by_role("button", name="You agree")).to_be_visible()
        await expect(card.get_by_text("1 of 2 agree")).to_be_visible()
        assert (await stage.room("Grace", event))["proposals"][asked]["agree"] == 1


async def test_a_room_that_is_left_before_it_was_entered_is_held_by_nobody(
    site: Running, visit: Visit
) -> None:
    ada = await visit(site)
    rooms = await ada.page.evaluate(
        """async () => {
            const { Client } = await import("/sdk/ayes.js");
            const { RoomStore } = await import("/app/room.js");
            const client = new Client("/", { token: "" });
            const store = new RoomStore("e", client, null, () => {});
            const before = client.rooms.size;
            store.close();
            return [before, client.rooms.size];
        }"""
    )
    assert rooms == [1, 0]


async def test_a_vote_that_waits_outlives_a_reload(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        asked = await stage.propose("Grace", event, "Calm")
        wire = Wire()
        ada = await enter(visit, site, "Ada", f"/#/e/{event}", prepare=wire.lay)
        ada.watch.allow(OUTAGE)
        card = proposal(ada.page, "Calm")
        await expect(card.get_by_role("button", name="Agree")).to_be_visible()
        await wire.sever()
        await expect(ada.page.locator(".line.away")).to_be_visible()
        await card.get_by_role("button", name="Agree").click()
        await expect(card.get_by_text("Kept here until you are connected")).to_be_visible()
        await ada.page.reload()
        await expect(
            ada.page.get_by_text("1 action is kept here and will be sent.")
        ).to_be_visible()
        await whole(ada.page, wire)
        await expect(card.get_by_role("button", name="You agree")).to_be_visible()
        await expect(card.get_by_text("1 of 2 agree")).to_be_visible()
        assert (await stage.room("Grace", event))["proposals"][asked]["agree"] == 1


async def test_only_what_the_browser_has_stored_is_called_kept(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Calm")
    wire = Wire()

    async def without_a_store(context: BrowserContext) -> None:
        await wire.lay(context)
        await context.add_init_script("delete window.indexedDB; window.indexedDB = undefined;")

    ada = await enter(visit, site, "Ada", f"/#/e/{event}", prepare=without_a_store)
    ada.watch.allow(OUTAGE)
    card = proposal(ada.page, "Calm")
    await expect(card.get_by_role("button", name="Agree")).to_be_visible()
    await wire.sever()
    await expect(ada.page.locator(".line.away")).to_be_visible()
    await card.get_by_role("button", name="Agree").click()
    await expect(card.get_by_text("Waiting for the connection")).to_be_visible()
    await expect(ada.page.get_by_text("This browser could not keep it")).to_be_visible()
    await expect(card.get_by_text("Kept here")).to_have_count(0)


async def test_a_vote_that_comes_too_late_is_told_when_it_was_decided(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        asked = await stage.propose("Ada", event, "Calm")
        wire = Wire()
        grace = await enter(visit, site, "Grace", f"/#/e/{event}", prepare=wire.lay)
        grace.watch.allow(OUTAGE)
        card = proposal(grace.page, "Calm")
        await expect(card.get_by_role("button", name="Agree")).to_be_visible()
        await wire.sever()
        await expect(grace.page.locator(".line.away")).to_be_visible()
        await card.get_by_role("button", name="Agree").click()
        await stage.run("Ada", "proposal.accept", event=event, proposal=asked)
        await whole(grace.page, wire)
        await expect(card.locator(".note.refused")).to_contain_text("Already accepted")
        await expect(card.locator(".outcome")).to_contain_text("0 of 2 agree")


async def test_the_server_is_killed_under_the_page_and_comes_back(
    migrated_url: str, tmp_path: Path, visit: Visit
) -> None:
    async with killable(migrated_url, tmp_path) as server:
        visitor = await visit(server, locale="en-GB")
        page = visitor.page
        visitor.watch.allow(OUTAGE)
        await page.get_by_label("Token", exact=True).fill(token("ada"))
        await page.get_by_role("button", name="Sign in with this token").click()
        await page.get_by_role("link", name="New event").click()
        await page.get_by_label("What is to be decided?").fill("Where?")
        await page.get_by_role("button", name="Create the event").click()
        await page.get_by_role("button", name="Start", exact=True).click()
        await page.get_by_role("button", name="Start anyway").click()
        await page.get_by_role("button", name="Propose a criterion").click()
        await page.get_by_label("Propose a criterion").fill("Calm")
        await page.get_by_role("button", name="Propose", exact=True).click()
        card = proposal(page, "Calm")
        await expect(card.get_by_role("button", name="Agree")).to_be_visible()
        await server.kill()
        await expect(page.locator(".line.away")).to_be_visible()
        await expect(page.get_by_text("not live")).to_be_visible()
        await card.get_by_role("button", name="Agree").click()
        await expect(card.locator(".note.pending")).to_be_visible()
        await expect(card.get_by_text("0 of 1 agree")).to_be_visible()
    async with killable(migrated_url, tmp_path, port=server.port):
        # As a user does who does not want to wait for the next attempt.
        now = page.get_by_role("button", name="Try now")
        await now.evaluate_all("(all) => all.forEach((one) => one.click())")
        await expect(card.get_by_role("button", name="You agree")).to_be_visible()
        await expect(card.get_by_text("1 of 1 agree")).to_be_visible()
        await expect(page.locator(".line.open")).to_be_visible()


async def test_a_page_follows_a_room_that_is_sent_compressed(
    start_site: StartSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    send_room = SocketTransport.send_room
    packed: list[int] = []

    def kept(self: SocketTransport, *parts: bytes, answers: bytes = b"") -> int:
        if parts[0][0] & 0x40:  # RSV1
            packed.append(sum(map(len, parts)))
        return send_room(self, *parts, answers=answers)

    monkeypatch.setattr(SocketTransport, "send_room", kept)
    site = await start_site(compression="on")
    words = "the same words again and again, " * 50
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, f"Before: {words}")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        await expect(proposal(page, "Before:")).to_be_visible()
        assert packed, "the snapshot went as it is"
        packed.clear()
        await stage.propose("Grace", event, f"After: {words}")
        await expect(proposal(page, "After:")).to_be_visible()
        assert packed, "the step went as it is"
        card = proposal(page, "After:")
        await card.get_by_role("button", name="Agree").click()
        await expect(card.get_by_role("button", name="You agree")).to_be_visible()
