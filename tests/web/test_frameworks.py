"""Pages of other origins on React, Vue and custom elements, built and used as their README says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.node import NODE, install, run
from tests.parts import ROOT
from tests.promises.running import SECRET
from tests.promises.scenes import BY_HAND
from tests.web.conftest import StartSite, Visit

EXAMPLES = ROOT / "clients" / "js" / "examples"
PACKAGES = Path(__file__).parent / "frameworks"
#: The oldest React that the hooks are for; the packages beside it bring the newest one.
REACT_18 = PACKAGES / "react-18"
#: Framework → the entry of its example, and its backend.
FRAMEWORKS = {"react": "main.tsx", "vue": "main.ts", "plain": "main.js"}
BACKENDS = {
    "react": [NODE, str(EXAMPLES / "backend" / "server.mjs")],
    "vue": [sys.executable, str(EXAMPLES / "backend" / "server.py")],
    "plain": [NODE, str(EXAMPLES / "backend" / "server.mjs")],
}
#: Every displayed count, in order; elements have their counts in a shadow tree.
WATCH_COUNTS = """() => {
    const said = (node) => node.nodeType === Node.TEXT_NODE
        ? node.data : deep(node) + (node.shadowRoot ? deep(node.shadowRoot) : "");
    const deep = (root) => [...root.childNodes].map(said).join("");
    window.counts = [];
    const look = () => {
        const found = /(-?\\d+) of \\d+ agree/.exec(deep(document.body))?.[1];
        if (found !== undefined && window.counts.at(-1) !== found) window.counts.push(found);
        requestAnimationFrame(look);
    };
    look();
}"""


def bring_packages() -> None:
    """The frameworks, and the client of this checkout."""
    install(PACKAGES)
    package = PACKAGES / "node_modules" / "ayes-client"
    if not package.is_symlink():
        package.symlink_to(ROOT / "clients" / "js")


def build(framework: str, out: Path, *older: Path) -> Path:
    """Bundle the example, as its README says; packages of ``older`` come before the others."""
    bring_packages()
    (out / "index.html").write_text((EXAMPLES / framework / "index.html").read_text())
    entry = EXAMPLES / framework / FRAMEWORKS[framework]
    if framework == "plain":
        (out / "main.js").write_text(entry.read_text())
        return out
    modules = os.pathsep.join(str(folder / "node_modules") for folder in (*older, PACKAGES))
    bundle = ["--bundle", "--format=esm", "--jsx=automatic", "--log-level=warning"]
    esbuild = str(PACKAGES / "node_modules" / "@esbuild" / "linux-x64" / "bin" / "esbuild")
    defines = [
        '--define:process.env.NODE_ENV="development"',
        "--define:__VUE_OPTIONS_API__=true",
        "--define:__VUE_PROD_DEVTOOLS__=false",
        "--define:__VUE_PROD_HYDRATION_MISMATCH_DETAILS__=false",
    ]
    run(
        *(esbuild, str(entry), *bundle, *defines, f"--outfile={out / 'main.js'}"),
        cwd=PACKAGES,
        env={"NODE_PATH": modules},
    )
    return out


@asynccontextmanager
async def backend(framework: str, folder: Path) -> AsyncIterator[str]:
    """The page's own backend, which serves ``folder`` and mints tokens; its origin."""
    process = await asyncio.create_subprocess_exec(
        *BACKENDS[framework],
        str(folder),
        env=os.environ | {"PORT": "0", "AYES_AUTH_SECRET": SECRET},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            origin = (await process.stdout.readline()).decode().strip()
        yield origin
    finally:
        process.kill()
        await process.wait()


def signed_in(user: str, origin: str) -> dict[str, Any]:
    """A browser context's options: the cookie that identifies ``user`` to the backend."""
    cookie = {
        "name": "user",
        "value": user,
        "domain": urlsplit(origin).hostname,
        "path": "/",
        "expires": -1,
        "httpOnly": False,
        "secure": False,
        "sameSite": "Lax",
    }
    return {"storage_state": {"cookies": [cookie], "origins": []}}


async def counts(page: Page) -> list[str]:
    found: list[str] = await page.evaluate("window.counts")
    return found


@pytest.mark.timeout(400)
def test_the_examples_are_sound_by_their_strict_types() -> None:
    bring_packages()
    compiler = PACKAGES / "node_modules" / "typescript" / "bin" / "tsc"
    run(NODE, str(compiler), "-p", ".", cwd=PACKAGES)
    install(REACT_18)
    run(NODE, str(compiler), "-p", ".", cwd=REACT_18)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_two_people_decide_on_a_page_of_another_origin(
    start_site: StartSite, visit: Visit, tmp_path: Path, framework: str
) -> None:
    folder = await asyncio.to_thread(build, framework, tmp_path)
    await two_people_decide(start_site, visit, folder, framework)


@pytest.mark.timeout(400)
async def test_the_hooks_work_with_react_18(
    start_site: StartSite, visit: Visit, tmp_path: Path
) -> None:
    install(REACT_18)
    folder = await asyncio.to_thread(build, "react", tmp_path, REACT_18)
    bundle = (folder / "main.js").read_text()
    assert set(re.findall(r'[vV]ersion = "(\d+)\.\d+\.\d+"', bundle)) == {"18"}
    await two_people_decide(start_site, visit, folder, "react")


async def two_people_decide(
    start_site: StartSite, visit: Visit, folder: Path, framework: str
) -> None:
    """Two members vote on the page in ``folder``, and no count but that before or after shows."""
    async with backend(framework, folder) as origin:
        site = await start_site(auth_secret=SECRET, allowed_origins=(origin,))
        ada = await site.connect("ada")
        rule = {"auto": True, "rule": "count", "threshold": 2}
        policy = BY_HAND | {"membership_auto": True, "assumption": rule}
        made = await ada.result("event.create", subject="Lunch", policy=policy)
        for user in ("bob", "cay"):
            member = await site.connect(user)
            await member.ack("membership.join", code=made["entrance_code"])
        await ada.ack("event.start", event=made["event"])
        words = {"kind": "assumption", "category": "create", "content": "We have an hour"}
        await ada.result("proposal.create", event=made["event"], **words)
        path = f"/?server={site.base}&event={made['event']}"
        bob = await visit(origin, path, **signed_in("bob", origin))
        cay = await visit(origin, path, **signed_in("cay", origin))
        for visitor in (bob, cay):
            visitor.watch.allow(re.escape(site.base.removeprefix("http")))
            await expect(visitor.page.get_by_text("We have an hour")).to_be_visible()
            await expect(visitor.page.get_by_text("0 of 3 agree")).to_be_visible()
            await visitor.page.evaluate(WATCH_COUNTS)
        take_back = bob.page.get_by_role("button", name=re.compile("take it back", re.IGNORECASE))
        agree = bob.page.get_by_role("button", name="I agree")
        await agree.click()
        await expect(take_back).to_be_visible()
        await expect(cay.page.get_by_text("1 of 3 agree")).to_be_visible()
        await take_back.click()
        await expect(cay.page.get_by_text("0 of 3 agree")).to_be_visible()
        await agree.click()
        await expect(cay.page.get_by_text("1 of 3 agree")).to_be_visible()
        for visitor in (bob, cay):
            # A count is noted with the browser's next frame.
            await visitor.page.wait_for_function("window.counts.length >= 4")
            assert await counts(visitor.page) == ["0", "1", "0", "1"], (
                "a count outside before and after"
            )
        await cay.page.get_by_role("button", name="I agree").click()
        for visitor in (bob, cay):
            await expect(visitor.page.get_by_text("Carried")).to_be_visible()
            assert (await counts(visitor.page))[:5] in (
                ["0", "1", "0", "1"],
                ["0", "1", "0", "1", "2"],
            )


@pytest.mark.timeout(400)
@pytest.mark.parametrize("framework", FRAMEWORKS)
async def test_a_page_says_why_it_has_no_line(
    start_site: StartSite, visit: Visit, tmp_path: Path, framework: str
) -> None:
    """The backend refuses a token: the error is shown, and not an ellipsis for ever."""
    folder = await asyncio.to_thread(build, framework, tmp_path)
    async with backend(framework, folder) as origin:
        site = await start_site(auth_secret=SECRET, allowed_origins=(origin,))
        stranger = await visit(origin, f"/?server={site.base}&event=e")
        stranger.watch.allow(re.escape(site.base.removeprefix("http")) + "|401|It does not exist")
        if framework == "plain":
            await says_in_plain_words(stranger.page)
        else:
            # The words of the example's own token function.
            await expect(stranger.page.get_by_text("401").first).to_be_visible()
        cookies = signed_in("bob", origin)["storage_state"]["cookies"]
        await stranger.context.add_cookies(cookies)
        # Signed in meanwhile: the page continues by itself, and shows the next error.
        await expect(stranger.page.get_by_text("It does not exist, or you may not")).to_be_visible()


async def says_in_plain_words(page: Page) -> None:
    """The element says what the page of the server says, in each of its languages."""
    words = {"ko": "로그인하지 않았습니다.", "en": "You are not signed in."}
    for language, said in words.items():
        await page.locator("ayes-room").evaluate("(room, lang) => { room.lang = lang; }", language)
        await expect(page.get_by_text(said)).to_be_visible()
    await expect(page.get_by_text("401")).to_have_count(0)


@pytest.mark.timeout(400)
def test_a_page_is_rendered_on_a_server() -> None:
    """Without a window there is no client: components that wait for a room show their fallback."""
    bring_packages()
    react, vue = json.loads(run(NODE, "--preserve-symlinks", "rendering.mjs", cwd=PACKAGES))
    assert "<p>idle</p>" in react
    assert "<b>waiting</b>" in react
    assert vue == "<p>idle</p><i>no room</i>"
