"""The control under the finger: acts of others never move a control that is being pressed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from playwright.async_api import Page, expect

from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.entering import enter, proposal
from tests.web.stage import Stage

#: As in Safari, which has no scroll anchoring.
NO_ANCHOR = "*, *::before { overflow-anchor: none !important; }"


async def top(page: Page, words: str) -> float:
    """The vertical position of the proposal's button."""
    box = await proposal(page, words).get_by_role("button", name="Agree").bounding_box()
    assert box is not None
    return box["y"]


async def test_what_is_in_view_stays_in_its_place(site: Running, visit: Visit) -> None:
    async with Stage(site.base) as stage:
        policy = {"membership_auto": True, "criterion": {"threshold": 9}}
        event, _ = await stage.event("Ada", "Grace", policy=policy)
        asked = [await stage.propose("Grace", event, f"Criterion {n}.") for n in range(12)]
        page = (await enter(visit, site, "Ada", f"/#/e/{event}")).page
        await page.evaluate(
            "(text) => { const s = new CSSStyleSheet(); s.replaceSync(text);"
            " document.adoptedStyleSheets = [s]; }",
            NO_ANCHOR,
        )
        aim = proposal(page, "Criterion 7.").get_by_role("button", name="Agree")
        await aim.scroll_into_view_if_needed()
        await aim.hover()
        before = await top(page, "Criterion 7.")
        for number, one in enumerate(asked[:6]):
            if number % 2:
                await stage.run("Ada", "proposal.accept", event=event, proposal=one)
            else:
                await stage.run("Grace", "comment.add", event=event, proposal=one, content="A word")
            await expect(proposal(page, f"Criterion {number}.")).to_contain_text(
                "Accepted" if number % 2 else "1 comment"
            )
            assert abs(await top(page, "Criterion 7.") - before) <= 2
        await aim.click()
        await expect(
            proposal(page, "Criterion 7.").get_by_role("button", name="You agree")
        ).to_be_visible()


#: Two buttons, one above the other, in a page that cannot scroll; ``swap`` is a drawing that others
#: caused and that exchanges them.
TWO_BUTTONS = """async () => {
    const { Finger } = await import("/app/finger.js");
    const root = document.body.appendChild(document.createElement("div"));
    const main = root.appendChild(document.createElement("main"));
    main.style.position = "fixed";
    const button = (name, parent) => {
        const el = parent.appendChild(document.createElement("button"));
        el.textContent = name;
        el.style.display = "block";
        el.onclick = () => window.pressed.push(name);
        return el;
    };
    window.pressed = [];
    const middle = ({ x, y, width, height }) => [x + width / 2, y + height / 2];
    const first = button("one", main);
    button("two", main);
    const finger = new Finger(root);
    window.draw = (change = () => {}) => {
        finger.before({ theirs: true, elsewhere: false });
        change();
        finger.after();
    };
    window.swap = () => draw(() => main.append(main.firstElementChild));
    window.cover = () => {
        const dialog = root.appendChild(document.createElement("dialog"));
        dialog.style.cssText = "position: fixed; inset: 0; margin: 0; border: 0; padding: 0";
        button("cover", dialog);
        dialog.showModal();
    };
    return middle(first.getBoundingClientRect());
}"""


async def test_a_control_that_has_just_come_under_the_finger_does_nothing(
    blank: None, site: Running, visit: Visit
) -> None:
    """Two buttons change places during a press; nothing can scroll, so no scrolling helps."""
    page = (await visit(site, "/", presses_again=False)).page
    # Some 300 ms decide: a busy machine must not let them pass between two lines.
    await page.clock.install()
    await page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    x, y = await page.evaluate(TWO_BUTTONS)
    await page.mouse.click(x, y)
    assert await page.evaluate("window.pressed") == ["one"]
    await page.evaluate("window.swap()")
    await page.mouse.click(x, y)
    assert await page.evaluate("window.pressed") == ["one"]
    await page.clock.run_for(400)
    await page.mouse.click(x, y)
    assert await page.evaluate("window.pressed") == ["one", "two"]
    # Keys have no position.
    await page.evaluate("window.swap()")
    await page.locator("button", has_text="two").focus()
    await page.keyboard.press("Enter")
    assert await page.evaluate("window.pressed") == ["one", "two", "two"]


async def test_what_a_dialog_covers_does_not_make_its_buttons_dead(
    blank: None, site: Running, visit: Visit
) -> None:
    """Others cause a drawing that moves nothing; below the pressed button lies another one."""
    page = (await visit(site, "/", presses_again=False)).page
    await page.clock.install()
    await page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    x, y = await page.evaluate(TWO_BUTTONS)
    await page.evaluate("window.cover()")
    await page.evaluate("window.draw()")
    await page.mouse.click(x, y)
    assert await page.evaluate("window.pressed") == ["cover"]
