"""The main way through the page, in Firefox and in WebKit; Chromium has all other tests."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from tests.campaign.equipment import Missing
from tests.clients.line import Line, line_to
from tests.parts import folder
from tests.promises.running import Running, running
from tests.web.conftest import LOOP
from tests.web.engines.firefox import Firefox, firefox
from tests.web.engines.tab import Tab
from tests.web.engines.webkit import WebKit, webkit
from tests.web.stage import Stage

#: For starting a browser and for the journey, on a busy machine.
pytestmark = pytest.mark.timeout(240)
#: Seconds of sleep: longer than the page's tolerance for a busy machine.
SLEEP_S = 3.0
ENGINES: dict[str, Any] = {"Firefox": firefox, "WebKit": webkit}


class Shared(NamedTuple):
    """A server where people sign in by name, and a line to it that can be cut."""

    site: Running
    line: Line


@pytest_asyncio.fixture(scope="module", loop_scope=LOOP)
async def shared(migrated_url: str) -> AsyncIterator[Shared]:
    """A server for all tests here."""
    async with line_to(0) as line:
        origin = f"http://127.0.0.1:{line.port}"
        async with running(migrated_url, auth_secret=None, allowed_origins=(origin,)) as site:
            line.to_port = site.port
            yield Shared(site, line)


@pytest_asyncio.fixture(scope="module", loop_scope=LOOP, params=list(ENGINES))
async def engine(request: pytest.FixtureRequest) -> AsyncIterator[Firefox | WebKit]:
    """Each engine in turn, once for all tests here; tests of a missing engine are skipped.

    If ``AYES_TEST_EQUIPMENT`` names it, a missing engine is an error.
    """
    async with AsyncExitStack() as stack:
        path: Path = stack.enter_context(folder())
        try:
            found: Firefox | WebKit = await stack.enter_async_context(ENGINES[request.param](path))
        except Missing as missing:
            if request.param in os.environ.get("AYES_TEST_EQUIPMENT", "").split(","):
                raise
            pytest.skip(str(missing))
        yield found


async def enter(engine: Firefox | WebKit, base: str, name: str, path: str) -> Tab:
    """``name`` signs in on the page at ``path``, and is connected."""
    tab = await engine.tab()
    await tab.go(f"{base}{path}")
    await tab.write("Your name", name)
    await tab.keys("Enter")
    await tab.sees("", ".line.open")
    return tab


async def test_a_group_goes_from_sign_in_to_the_result(
    engine: Firefox | WebKit, shared: Shared
) -> None:
    ada = await enter(engine, shared.site.base, "Ada", "/#/new")
    await ada.write("What is to be decided?", "Which name?")
    await ada.write("Option 1", "Plenum")
    await ada.write("Criterion 1", "Short")
    await ada.press("Create the event")
    await ada.sees("Which name?", "h1")
    await ada.press("Invite", shows="dialog .code")
    code = await ada.ask("text", "dialog .code")
    await ada.keys("Escape")

    grace = await enter(engine, shared.site.base, "Grace", f"/#/join/{code}")
    await grace.press("Join")
    await grace.sees("Waiting for an admin")
    await ada.press("People")
    await ada.press("Let in")
    await grace.sees("Decide", "nav")
    await ada.press("Decide", shows="#feed-title")
    await ada.press("Start")
    await ada.press("More than half decides, and start")
    await grace.sees("In progress")

    await grace.press("Propose a criterion", shows="textarea")
    await grace.write("Propose a criterion", "Quiet at night")
    await grace.press("Propose")
    card = ("article.proposal", "Quiet at night")
    await grace.press("Agree", card, shows="article.proposal [aria-pressed=true]")
    await ada.sees("1 of 2 agree", card[0])
    await ada.press("Agree", card)
    for tab in (ada, grace):
        await tab.sees("Quiet at night", ".criteria .item")

    await grace.press("Ballot")
    await grace.press("Plenum")
    await grace.press("This order is mine")
    await grace.press("Submit ballot")
    await grace.sees("Your ballot is in.")
    await ada.press("Finish")
    await ada.press("Finish", ("dialog",))
    await grace.sees("Plenum", ".winner")
    for tab in (ada, grace):
        assert not await tab.faults()
        # So that every error is found.
        await tab.call("() => console.error('planted')")
        await tab.until(tab.faults, "no fault was noticed")


async def test_what_is_in_view_keeps_its_place_by_the_page_alone(
    engine: Firefox | WebKit, shared: Shared
) -> None:
    """WebKit has no scroll anchoring; the page has switched Firefox's off."""
    aim = """() => {
        const card = [...document.querySelectorAll("article.proposal")]
            .find((el) => el.innerText.includes("Criterion 7."));
        card.dataset.seen ??= card.scrollIntoView({ block: "center", behavior: "instant" }) ?? "";
        return card.getBoundingClientRect().top;
    }"""
    async with Stage(shared.site.base) as stage:
        policy = {"membership_auto": True, "criterion": {"threshold": 9}}
        event, _ = await stage.event("Ada", "Grace", policy=policy)
        asked = [await stage.propose("Grace", event, f"Criterion {n}.") for n in range(12)]
        tab = await enter(engine, shared.site.base, "Ada", f"/#/e/{event}")
        await tab.sees("Criterion 11.", "article.proposal")
        await tab.call(aim)
        await tab.hover("Agree", ("article.proposal", "Criterion 7."))
        before = await tab.call(aim)
        for number, one in enumerate(asked[:4]):
            if number % 2:
                await stage.run("Ada", "proposal.accept", event=event, proposal=one)
            else:
                await stage.run("Grace", "comment.add", event=event, proposal=one, content="A word")
        await tab.until(
            lambda: tab.call("() => document.body.innerText.split('1 comment').length === 3"),
            "comments",
        )
        await tab.until(
            lambda: tab.call("() => document.body.innerText.split('Accepted').length >= 3"),
            "accepted",
        )
        assert abs(await tab.call(aim) - before) <= 2
    assert not await tab.faults()


async def test_a_vote_outlives_a_closed_page_and_a_page_outlives_sleep(
    engine: Firefox | WebKit, shared: Shared
) -> None:
    site, line = shared
    async with Stage(site.base) as stage:
        event, _ = await stage.event("Ada", "Grace", "Edith")
        asked = await stage.propose("Ada", event, "Calm")
        base = f"http://127.0.0.1:{line.port}"
        tab = await engine.tab()
        await tab.go(f"{base}/#/e/{event}")
        # Signing in by name is for users who reach the server directly.
        await tab.write("Token", (await stage.headers("Grace"))["Authorization"].split()[1])
        await tab.press("Sign in with this token")
        card = ("article.proposal", "Calm")
        await tab.sees(*reversed(card))
        line.break_down()
        await tab.press("Agree", card)
        await tab.sees("Kept here until you are connected", card[0])
        await tab.go("about:blank")
        line.mend()
        await tab.go(f"{base}/#/e/{event}")
        await tab.sees("1 of 3 agree", card[0])

        tab.signal(signal.SIGSTOP)
        line.lose()
        await stage.vote(event, asked, "Ada", "Edith")
        await asyncio.sleep(SLEEP_S)
        tab.signal(signal.SIGCONT)
        await tab.sees("Accepted", card[0])
        await tab.sees("", ".line.open")
