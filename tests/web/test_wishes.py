"""An old command is not carried out: it has a deadline, and can be taken back while it waits."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from playwright.async_api import BrowserContext, Page, WebSocket, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import Wire, clock, enter, proposal, whole
from tests.web.stage import Stage
from tests.web.watch import OUTAGE


class Heard:
    """The commands that a page sends."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []

    async def listen(self, context: BrowserContext) -> None:
        """Record what the pages of ``context`` send from now on."""
        context.on("page", lambda page: page.on("websocket", self._open))

    def _open(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda payload: self._sent(payload))

    def _sent(self, payload: str | bytes) -> None:
        message = json.loads(payload)
        for one in message if isinstance(message, list) else [message]:
            if "id" in one:
                self.commands.append(one)

    def last(self, kind: str) -> dict[str, Any]:
        """The newest command of this type."""
        return [one for one in self.commands if one["type"] == kind][-1]


def minutes(command: dict[str, Any], server_time: str) -> float:
    """Milliseconds from the server's time to the command's ``not_after``."""
    until = datetime.fromisoformat(command["not_after"])
    return (until - datetime.fromisoformat(server_time)).total_seconds() / 60


async def on_a_wire(visit: Visit, site: Running, path: str) -> tuple[Page, Wire]:
    """Ada's page at ``path``, and its line."""
    wire = Wire()
    ada = await enter(visit, site, "Ada", path, prepare=wire.lay)
    ada.watch.allow(OUTAGE)
    await expect(ada.page.locator("#feed-title")).to_be_visible()
    return ada.page, wire


async def test_what_is_pressed_says_until_when_by_the_servers_clock(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Calm")
        await stage.propose("Grace", event, "Near")
        heard = Heard()

        async def slow(context: BrowserContext) -> None:
            await clock(-30)(context)
            await heard.listen(context)

        page = (await enter(visit, site, "Ada", f"/#/e/{event}", prepare=slow)).page
        await proposal(page, "Calm").get_by_role("button", name="Agree").click()
        await expect(proposal(page, "Calm").get_by_role("button", name="You agree")).to_be_visible()
        card = proposal(page, "Near")
        await card.get_by_role("button", name="Accept:").click()
        await card.get_by_role("button", name="Accept now").click()
        await expect(card.locator(".outcome")).to_be_visible()
        made = (await stage.room("Ada", event))["proposals"].values()
        at = max(one["resolved_at"] for one in made if "resolved_at" in one)
    assert 8 < minutes(heard.last("vote.cast"), at) < 12
    assert 0 < minutes(heard.last("proposal.accept"), at) < 2


async def test_what_cannot_be_undone_is_not_kept_for_later(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        page, wire = await on_a_wire(visit, site, f"/#/e/{event}")
        await wire.sever()
        await expect(page.locator(".line.away")).to_be_visible()
        await page.get_by_role("button", name="Finish").click()
        await page.get_by_role("dialog").get_by_role("button", name="Finish").click()
        await page.get_by_role("button", name="Do it now").click()
        await expect(page.locator(".note.refused")).to_contain_text("There is no connection.")
        await page.get_by_role("link", name="People").click()
        await page.get_by_role("button", name="Leave").click()
        await page.get_by_role("dialog").get_by_role("combobox").select_option(label="Grace")
        await page.get_by_role("dialog").get_by_role("button", name="Leave").click()
        await expect(page.locator(".note.refused").last).to_contain_text("no connection")
        await whole(page, wire)
        room = await stage.room("Ada", event)
        assert room["event"]["status"] == "in_progress"
        assert room["counts"]["members"] == 2


async def test_what_waits_is_listed_with_its_time_and_taken_back_after_a_reload(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        asked = await stage.propose("Grace", event, "Calm")
        page, wire = await on_a_wire(visit, site, f"/#/e/{event}")
        await expect(proposal(page, "Calm")).to_be_visible()
        await wire.sever()
        await expect(page.locator(".line.away")).to_be_visible()
        await proposal(page, "Calm").get_by_role("button", name="Agree").click()
        await expect(page.get_by_text("1 action is kept here")).to_be_visible()
        await page.reload()
        await page.get_by_text("1 action is kept here").click()
        waiting = page.locator(".waiting-list li")
        await expect(waiting).to_have_count(1)
        await expect(waiting).to_contain_text("Agree")
        await expect(waiting.locator("time")).to_be_visible()
        await waiting.get_by_role("button", name="Take back").click()
        await expect(waiting).to_have_count(0)
        await whole(page, wire)
        await expect(proposal(page, "Calm").get_by_role("button", name="Agree")).to_be_visible()
        assert (await stage.room("Grace", event))["proposals"][asked]["agree"] == 0


async def test_dear_acts_can_be_undone_for_some_seconds(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        await page.get_by_role("button", name="Finish").click()
        await page.get_by_role("dialog").get_by_role("button", name="Finish").click()
        undo = page.locator(".undoing")
        await expect(undo).to_contain_text("Finishing “Where do we meet?”.")
        await undo.get_by_role("button", name="Undo").click()
        await expect(undo).to_have_count(0)
        assert (await stage.room("Ada", event))["event"]["status"] == "in_progress"


async def test_all_are_let_in_up_to_what_was_shown(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        event, code = await stage.event("Ada", policy={})
        for name in ("Grace", "Jean"):
            await stage.run(name, "membership.join", code=code)
        heard = Heard()
        ada = await enter(visit, site, "Ada", f"/#/e/{event}/people", prepare=heard.listen)
        await ada.page.get_by_role("button", name="Let all in").click()
        dialog = ada.page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Let 2 people into")
        await dialog.get_by_role("button", name="Let all in").click()
        await expect(ada.page.get_by_text("2 people were let in.")).to_be_visible()
    assert isinstance(heard.last("membership.approve_all")["upto"], int)


async def test_it_is_said_when_the_browser_cannot_keep_what_waits(
    site: Running, visit: Visit
) -> None:
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace")
        await stage.propose("Grace", event, "Calm")
        page, wire = await on_a_wire(visit, site, f"/#/e/{event}")
        await expect(proposal(page, "Calm")).to_be_visible()
        # Phones do this to pages in the background: the handle is dead, and so is a new one.
        await page.evaluate(
            """() => {
                const dead = () => { throw new DOMException("closing", "InvalidStateError"); };
                IDBDatabase.prototype.transaction = dead;
                IDBFactory.prototype.open = dead;
            }"""
        )
        await wire.sever()
        await expect(page.locator(".line.away")).to_be_visible()
        await proposal(page, "Calm").get_by_role("button", name="Agree").click()
        await expect(page.locator(".line.away")).to_contain_text("could not keep it")
        await whole(page, wire)
        await expect(proposal(page, "Calm").get_by_role("button", name="You agree")).to_be_visible()
        await expect(page.get_by_text("could not keep it")).to_have_count(0)
