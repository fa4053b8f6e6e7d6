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
        """Wait until the proposal has ``count`` votes."""

        def there() -> bool:
            proposals: dict[str, Any] = self.room.state["proposals"]
            return bool(proposals[self.proposal]["agree"] == count)

        await self.room.client.until(there, f"{count} votes")


@asynccontextmanager
async def staged(start_site: StartSite) -> AsyncIterator[Stage]:
    """bob is a member already."""
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
    """While ``ears["deaf"]``, the server's answers to commands do not reach the page."""

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
    """Make a client on the page; return the ids that it found in its outbox."""
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
    """Vote without waiting for the answer."""
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
        # A tab does this when it becomes visible; a headless one never does.
        adopted = await second.evaluate(
            """(id) => new Promise((resolve) => {
                client.addEventListener("acked", ({ detail }) => resolve(detail));
                document.dispatchEvent(new Event("visibilitychange"));
            })"""
        )
        assert adopted["id"] == VOTE
        assert adopted["ack"]["replayed"]
        await stage.votes(1)


#: Commands in an outbox, read by another module of the page.
KEEP = """async (id) => {
    const sdk = await import("/sdk/ayes.js");
    window.outbox ??= sdk.indexedDbOutbox();
    await outbox.put({ id, type: "vote.cast", args: {}, since: 1, user: "bob" });
    return (await outbox.load()).map((entry) => entry.id);
}"""
#: Browsers do this to the databases of a page in the background.
KILL = {
    "the handle is closed without a word": """
        const { transaction } = IDBDatabase.prototype;
        let dead = null;
        IDBDatabase.prototype.transaction = function (...given) {
            dead ??= this;
            if (dead === this) {
                throw new DOMException("The connection is closing.", "InvalidStateError");
            }
            return transaction.apply(this, given);
        };""",
    "the transaction is aborted": """
        const { transaction } = IDBDatabase.prototype;
        let dead = null;
        IDBDatabase.prototype.transaction = function (...given) {
            const begun = transaction.apply(this, given);
            dead ??= this;
            if (dead === this) begun.abort();
            return begun;
        };""",
    "the connection to the server is lost": """
        const { put } = IDBObjectStore.prototype;
        let dead = null;
        IDBObjectStore.prototype.put = function (...given) {
            dead ??= this.transaction.db;
            if (dead === this.transaction.db) {
                throw new DOMException("Indexed Database server lost.", "UnknownError");
            }
            return put.apply(this, given);
        };""",
}


@pytest.mark.parametrize("kill", KILL.values(), ids=KILL)
async def test_a_dead_database_is_opened_again_and_keeps_the_vote(
    start_site: StartSite, visit: Visit, kill: str
) -> None:
    site = await start_site(auth_secret=SECRET)
    bob = await visit(site, "/")
    assert await bob.page.evaluate(KEEP, "before-001") == ["before-001"]
    await bob.page.evaluate(f"() => {{ {kill} }}")
    assert await bob.page.evaluate(KEEP, "after-0001") == ["before-001", "after-0001"]
    await bob.page.reload()
    kept = await bob.page.evaluate(KEEP, "later-0001")
    assert sorted(kept) == ["after-0001", "before-001", "later-0001"]


async def test_a_database_that_is_deleted_under_the_page_is_made_again(
    start_site: StartSite, visit: Visit
) -> None:
    site = await start_site(auth_secret=SECRET)
    bob = await visit(site, "/")
    await bob.page.evaluate(KEEP, "before-001")
    await bob.page.evaluate(
        """() => new Promise((resolve, reject) => {
            const request = indexedDB.deleteDatabase("ayes-outbox");
            request.onsuccess = () => resolve();
            request.onerror = () => reject(request.error);
        })"""
    )
    assert await bob.page.evaluate(KEEP, "after-0001") == ["after-0001"]


BLOCKED = {
    "a private window without storage": """
        Object.defineProperty(window, "indexedDB", { value: undefined });""",
    "storage that the browser blocks": """Object.defineProperty(window, "indexedDB", {
        get() { throw new DOMException("denied", "SecurityError"); }
    });""",
    "locks that the browser blocks": """navigator.locks.request = () =>
        Promise.reject(new DOMException("denied", "SecurityError"));
        IDBFactory.prototype.open = () => {
            throw new DOMException("denied", "SecurityError");
        };""",
    "a full disk": """IDBObjectStore.prototype.put = () => {
        throw new DOMException("The disk is full.", "QuotaExceededError");
    };""",
}


@pytest.mark.parametrize("block", BLOCKED.values(), ids=BLOCKED)
async def test_a_vote_that_cannot_be_kept_says_so_and_counts(
    start_site: StartSite, visit: Visit, block: str
) -> None:
    async with staged(start_site) as stage:
        bob = await visit(stage.site, "/")
        await bob.page.evaluate(f"() => {{ {block} }}")
        said = await bob.page.evaluate(
            """async ([token, event, proposal, id]) => {
                const sdk = await import("/sdk/ayes.js");
                const client = new sdk.Client("/", { token, outbox: sdk.indexedDbOutbox() });
                const faults = [];
                client.addEventListener("fault", ({ detail }) => faults.push(detail));
                const vote = client.command("vote.cast", { event, proposal, revision: 1 }, { id });
                let kept;
                client.addEventListener("pending", () => (kept ??= client.waiting()[0]?.kept));
                client.start();
                const ack = await vote;
                const said = faults.map(({ where, id }) => [where, id]);
                return { applied: ack.applied, kept, faults: said };
            }""",
            [token("bob"), stage.event, stage.proposal, VOTE],
        )
        assert (said["applied"], said["kept"]) == (True, False)
        assert ["outbox", VOTE] in said["faults"]
        await stage.votes(1)


@pytest.mark.parametrize("outbox", OUTBOXES)
async def test_forgetting_a_user_leaves_nothing_of_theirs_on_a_shared_computer(
    start_site: StartSite, visit: Visit, outbox: str
) -> None:
    async with staged(start_site) as stage:
        bob = await visit(stage.site, "/")
        await deafen(bob.page, {"deaf": True})
        await begin(bob.page, outbox)
        await vote(bob.page, stage)
        await stage.votes(1)
        await bob.page.evaluate("client.forgetUser()")
        left = await bob.page.evaluate(
            """async () => {
                const found = { ...localStorage };
                for (const { name } of await indexedDB.databases()) {
                    found[name] = await new Promise((resolve) => {
                        indexedDB.open(name).onsuccess = ({ target }) => {
                            const begun = target.result.transaction("entries");
                            const store = begun.objectStore("entries");
                            store.getAll().onsuccess = ({ target }) => resolve(target.result);
                        };
                    });
                }
                return JSON.stringify(found);
            }"""
        )
        assert VOTE not in left
        await bob.page.reload()
        assert await begin(bob.page, outbox) == []


async def test_a_page_without_websockets_votes_and_follows_over_http(
    start_site: StartSite, visit: Visit
) -> None:
    async with staged(start_site) as stage:
        bob = await visit(stage.site, "/")
        said = await bob.page.evaluate(
            """async ([token, event, proposal]) => {
                const sdk = await import("/sdk/ayes.js");
                class Blocked extends EventTarget {
                    readyState = 0;
                    constructor() {
                        super();
                        setTimeout(() => {
                            this.readyState = 3;
                            this.dispatchEvent(new CloseEvent("close", { code: 1006 }));
                        });
                    }
                    close() {}
                }
                window.client = new sdk.Client("./", { token, WebSocket: Blocked }).start();
                const room = await client.subscribe(event);
                const ack = await room.vote(proposal);
                await room.reached(ack.seq);
                const { agree } = room.state.proposals[proposal];
                return { agree, you: room.you.votes[proposal], transport: client.transport };
            }""",
            [token("bob"), stage.event, stage.proposal],
        )
        assert said == {"agree": 1, "you": 1, "transport": "http"}
        await stage.votes(1)
        await bob.page.evaluate("client.stop()")
