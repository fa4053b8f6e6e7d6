"""The JavaScript client in a real browser: ten lines, and an outbox over reloads and tabs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from playwright.async_api import Page, WebSocketRoute, expect

from tests.parts import ROOT
from tests.promises.client import Client, Room
from tests.promises.running import SECRET, Running, token
from tests.promises.scenes import BY_HAND
from tests.web.conftest import StartSite, Visit

EXAMPLE = ROOT / "clients" / "js" / "examples" / "ten-lines.js"
OUTBOXES = ("sdk.indexedDbOutbox()", "sdk.storageOutbox(localStorage)")
VOTE = "kept-over-a-reload"

pytestmark = pytest.mark.usefixtures("blank")


class Stage(NamedTuple):
    """An event in progress with one proposal, and its admin's view of it."""

    site: Running
    event: str
    proposal: str
    room: Room

    async def votes(self, count: int) -> None:
        """Wait until the proposal has so many."""

        def there() -> bool:
            proposals: dict[str, Any] = self.room.state["proposals"]
            return bool(proposals[self.proposal]["agree"] == count)

        await self.room.client.until(there, f"{count} votes")


@asynccontextmanager
async def staged(start_site: StartSite) -> AsyncIterator[Stage]:
    """bob is a member of it already."""
    site = await start_site(auth_secret=SECRET)
    ada: Client = await site.connect("ada")
    policy = BY_HAND | {"membership_auto": True}
    made = await ada.result("event.create", subject="Lunch", policy=policy)
    bob = await site.connect("bob")
    await bob.ack("membership.join", code=made["entrance_code"])
    await ada.ack("event.start", event=made["event"])
    words = {"kind": "assumption", "category": "create", "content": "We have an hour"}
    proposal = (await ada.result("proposal.create", event=made["event"], **words))["proposal"]
    yield Stage(site, made["event"], proposal, await ada.subscribe(made["event"]))


async def test_the_ten_lines_show_a_room_and_vote(start_site: StartSite, visit: Visit) -> None:
    async with staged(start_site) as stage:
        bob = await visit(stage.site, f"/#{stage.event}:{token('bob')}")
        await bob.page.route("**/example.js", lambda route: route.fulfill(path=EXAMPLE))
        await bob.page.evaluate("""() => void import("/example.js")""")
        button = bob.page.get_by_role("button")
        await expect(button).to_have_text("We have an hour: 0")
        await button.click()
        await expect(button).to_have_text("We have an hour: 1")
        await stage.votes(1)


async def deafen(page: Page, ears: dict[str, bool]) -> None:
    """While ``ears["deaf"]``, what the server says about commands does not reach the page."""

    def route(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(server.send)

        def heard(text: str | bytes) -> None:
            said = json.loads(text)
            messages = said if isinstance(said, list) else [said]
            if not (ears["deaf"] and any("id" in message for message in messages)):
                socket.send(text)

        server.on_message(heard)

    await page.route_web_socket("**/v1/socket", route)


async def begin(page: Page, outbox: str) -> list[str]:
    """Make a client on the page; the ids that it found in its outbox."""
    found: list[str] = await page.evaluate(
        f"""async (token) => {{
            const sdk = await import("/sdk/ayes.js");
            window.client = new sdk.Client("/", {{ token, outbox: {outbox} }}).start();
            await client.loaded;
            return client.pending.map(({{ id }}) => id);
        }}""",
        token("bob"),
    )
    return found


async def vote(page: Page, stage: Stage) -> None:
    """Give a vote, and do not wait for its answer."""
    await page.evaluate(
        """([event, proposal, id]) => {
            client.command("vote.cast", { event, proposal, revision: 1 }, { id });
        }""",
        [stage.event, stage.proposal, VOTE],
    )


@pytest.mark.parametrize("outbox", OUTBOXES)
async def test_a_reload_keeps_a_votes_id(start_site: StartSite, visit: Visit, outbox: str) -> None:
    async with staged(start_site) as stage:
        bob = await visit(stage.site, "/")
        ears = {"deaf": True}
        await deafen(bob.page, ears)
        assert await begin(bob.page, outbox) == []
        await vote(bob.page, stage)
        await stage.votes(1)
        ears["deaf"] = False
        await bob.page.reload()
        assert await begin(bob.page, outbox) == [VOTE]
        ack = await bob.page.evaluate("(id) => client.adopt(id)", VOTE)
        assert (ack["applied"], ack["replayed"]) == (True, True)
        assert await bob.page.evaluate("client.pending.length") == 0
        await bob.page.reload()
        assert await begin(bob.page, outbox) == []
        await stage.votes(1)


async def test_what_is_answered_while_the_outbox_is_read_stays_out_of_it(
    start_site: StartSite, visit: Visit
) -> None:
    site = await start_site(auth_secret=SECRET)
    bob = await visit(site, "/")
    left = await bob.page.evaluate(
        """async (id) => {
            const { indexedDbOutbox } = await import("/sdk/ayes.js");
            const outbox = indexedDbOutbox();
            await outbox.load();
            await outbox.put({ id, type: "vote.cast", args: {}, since: 1 });
            // The answer comes when the entries were read, as it may for a page shown again.
            const { getAll } = IDBObjectStore.prototype;
            let removed;
            IDBObjectStore.prototype.getAll = function (...given) {
                removed = outbox.remove(id);
                return getAll.apply(this, given);
            };
            await outbox.load();
            await removed;
            IDBObjectStore.prototype.getAll = getAll;
            return await outbox.load();
        }""",
        VOTE,
    )
    assert left == []


@pytest.mark.parametrize("outbox", OUTBOXES)
async def test_a_tab_takes_over_what_a_closed_one_left(
    start_site: StartSite, visit: Visit, outbox: str
) -> None:
    async with staged(start_site) as stage:
        first = await visit(stage.site, "/")
        await deafen(first.page, {"deaf": True})
        await begin(first.page, outbox)
        await vote(first.page, stage)
        await stage.votes(1)
        second = await first.context.new_page()
        await second.goto("/")
        assert await begin(second, outbox) == [], "the first tab lives, and its vote is its own"
        await first.page.close()
        # What a tab does when it is looked at; a headless one never is.
        adopted = await second.evaluate(
            """(id) => new Promise((resolve) => {
                client.addEventListener("acked", ({ detail }) => resolve(detail));
                document.dispatchEvent(new Event("visibilitychange"));
            })"""
        )
        assert adopted["id"] == VOTE
        assert adopted["ack"]["replayed"]
        await stage.votes(1)
