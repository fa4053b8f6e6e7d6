"""Every control has a name of its own: who hears a list of buttons knows what each is about."""

from __future__ import annotations

from collections import Counter
from typing import Any

from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter
from tests.web.stage import Stage

#: Roles of what a user operates.
CONTROLS = {
    *("button", "link", "textbox", "searchbox", "checkbox", "radio", "combobox", "spinbutton"),
    "DisclosureTriangle",
}
#: A browser's own parts of one field.
PICKERS = {"Date", "DateTime", "InputTime"}
#: Opens every form and every part that is folded, once.
OPEN_ALL = """() => {
    const folded = [
        "details:not([open]) > summary",
        "[data-opens], .comments > [aria-expanded=false], .deciding [aria-expanded=false]",
    ];
    for (const openers of folded) {
        for (const one of document.querySelectorAll(`main :is(${openers})`)) one.click();
    }
}"""
#: Two draws later everything that was asked for is on the page.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


async def repeated(page: Page, view: str) -> list[str]:
    """Return the names that several controls of ``page`` have; links to one place count once.

    Fields and buttons of a form differ by the name of their group, which is heard first.
    """
    await page.evaluate(DRAWN)
    session = await page.context.new_cdp_session(page)
    tree: dict[str, Any] = await session.send("Accessibility.getFullAXTree")
    await session.detach()
    nodes = {node["nodeId"]: node for node in tree["nodes"]}
    found: Counter[tuple[str, ...]] = Counter()
    links: set[tuple[str, ...]] = set()
    for node in nodes.values():
        role, name = told(node, "role"), told(node, "name")
        if node.get("ignored") or role not in CONTROLS:
            continue
        above = ancestors(nodes, node)
        if any(told(one, "role") in PICKERS for one in above):
            continue
        groups = [told(one, "name") for one in above if told(one, "role") == "group"]
        url = [one["value"]["value"] for one in node.get("properties", []) if one["name"] == "url"]
        if role == "link" and (name, *url) in links:
            continue
        links.add((name, *url))
        found[(role, name, *groups)] += 1
    assert found, f"{view}: no control was found"
    return [
        f"{view}: {count} of {role} “{name}” in {groups}"
        for (role, name, *groups), count in found.items()
        if count > 1 or not name
    ]


def told(node: dict[str, Any], what: str) -> str:
    """The role or name of a node of the accessibility tree."""
    value: str = node.get(what, {}).get("value", "")
    return value


def ancestors(nodes: dict[str, dict[str, Any]], node: dict[str, Any]) -> list[dict[str, Any]]:
    """The nodes around ``node``, the nearest first."""
    above = nodes.get(node.get("parentId", ""))
    return [] if above is None else [above, *ancestors(nodes, above)]


async def finish(stage: Stage, page: Page, name: str, event: str) -> None:
    """``name`` finishes the event while ``page`` shows the ballot, to which the end leads."""
    await page.goto(f"/#/e/{event}/ballot")
    await expect(page.locator(".tab-ballot")).to_be_visible()
    await stage.run(name, "event.finish", event=event)
    await expect(page.locator("main").get_by_text("Finished", exact=True).first).to_be_visible()


async def sweep(page: Page, base: str, event: str, status: str, *tabs: str) -> list[str]:
    """Look at these tabs of the room, as they come and with everything open."""
    wrong: list[str] = []
    for tab in tabs:
        await page.goto(f"{base}/#/e/{event}/{tab}" if tab != "decide" else f"{base}/#/e/{event}")
        await expect(page.locator(f".tab-{tab}")).to_be_visible()
        wrong += await repeated(page, f"{status}, {tab}")
        await page.evaluate(OPEN_ALL)
        wrong += await repeated(page, f"{status}, {tab}, open")
    return wrong


async def test_no_two_controls_of_a_view_have_the_same_name(site: Running, visit: Visit) -> None:
    tabs = ("decide", "ballot", "people", "history", "settings")
    wrong: list[str] = []
    async with Stage(site.base) as stage:
        # Nobody of this name is in other tests' events, which are in the same database.
        policy = {
            "membership_auto": True,
            "votes": "named",
            "stances": ["agree", "against", "abstain"],
        }
        event, code = await stage.event(
            "Nora", "Bob", "Cleo", start=False, policy=policy, options=["Sea", "Hills", "Roof"],
            assumptions=["We all can come", "It rains"], criteria=["Cost", "Calm", "Near"],
        )  # fmt: skip
        await stage.event("Nora", subject="What do we eat?")
        asking = {"policy_version": 1, "policy": {"membership_auto": False}}
        await stage.run("Nora", "event.set_policy", event=event, **asking)
        for name in ("Dan", "Eve"):
            await stage.run(name, "membership.join", code=code)
        invited = [{"name": "Fay"}, {"name": "Gus"}]
        await stage.run("Nora", "invitation.create", event=event, people=invited)
        # Two of one name.
        await stage.run("Bob", "membership.rename", event=event, name="Cleo")
        page = (await enter(visit, site, "Nora")).page
        await expect(page.locator(".event-list li")).to_have_count(2)
        wrong += await repeated(page, "my events")
        await page.goto(f"{site.base}/#/new")
        await expect(page.get_by_role("button", name="Create the event")).to_be_visible()
        await page.evaluate(OPEN_ALL)
        wrong += await repeated(page, "new event")
        wrong += await sweep(page, site.base, event, "not started", *tabs)
        await stage.run("Nora", "event.start", event=event)
        state = await stage.room("Nora", event)
        first, second, third = state["criteria"]
        for kind, target in (
            ("criterion", first),
            ("assumption", next(iter(state["assumptions"]))),
        ):
            about = {"kind": kind, "target": target, "base_version": 1}
            await stage.propose("Bob", event, f"Another {kind}", category="update", **about)
            await stage.run("Cleo", "proposal.create", event=event, category="delete", **about)
        for name, target in (("Bob", second), ("Cleo", third)):
            conclusion = {"kind": "conclusion", "target": target, "base_version": 0}
            await stage.propose(name, event, f"{name} concludes", **conclusion)
        for name in ("Nora", "Bob"):
            asked = await stage.propose(name, event, f"{name} asks for more")
            for said in ("Why?", "Why not?"):
                await stage.run(name, "comment.add", event=event, proposal=asked, content=said)
            await stage.run("Nora", "comment.add", event=event, proposal=asked, content=f"{name}!")
        for name in ("Nora", "Bob"):
            decided = await stage.propose(name, event, f"{name} was right")
            await stage.run("Nora", "proposal.accept", event=event, proposal=decided)
        wrong += await sweep(page, site.base, event, "in progress", *tabs)
        await stage.run("Nora", "event.pause", event=event)
        wrong += await sweep(page, site.base, event, "paused", *tabs)
        await finish(stage, page, "Nora", event)
        wrong += await sweep(page, site.base, event, "finished", *tabs)
        await page.goto(f"{site.base}/#/e/{event}/screen")
        await expect(page.locator(".big-screen")).to_be_visible()
        wrong += await repeated(page, "big screen")
    assert not wrong, "\n".join(wrong)
