"""A browser, servers for it, and people who visit them.

Everything here runs on one loop a worker, since a browser is started once on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Error, Page, expect

from server.page import page
from server.page.files import File, Folder, file_of
from tests.fixtures.servers import migrated_url
from tests.parts import ROOT
from tests.promises.running import Running, running
from tests.web.chromium import chromium
from tests.web.watch import MACHINE_CHANGED, Watch

__all__ = ["migrated_url"]

#: Longest that a page may take for an expected effect, in milliseconds.
PATIENCE_MS = 30_000
LOOP: Any = "session"
#: Attempts to load a page while the machine's network changes.
LOADS = 5
#: The page ignores a press on a control that has just moved there (``web/finger.js``). A user then
#: presses again, and so does every visitor here, at once. A test presses faster than any hand, so
#: without this its press would be lost after each redraw.
PRESS_AGAIN = """
// A press may hit the picture in a button, which has no click() of its own.
const press = (at) => (at.click ? at : at.closest("a, button, label, summary"))?.click();
addEventListener("click", (event) => {
    const stop = event.stopImmediatePropagation;
    event.stopImmediatePropagation = () => {
        stop.call(event);
        if (event.isTrusted) setTimeout(() => press(event.target));
    };
}, { capture: true });"""
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of this folder share the browser's loop."""
    for item in items:
        is_ours = item.path.is_relative_to(Path(__file__).parent)
        if is_ours and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope=LOOP), append=False)


class Visitor(NamedTuple):
    """A user with a page open."""

    context: BrowserContext
    page: Page
    watch: Watch


StartSite: TypeAlias = Callable[..., Awaitable[Running]]
Prepare: TypeAlias = Callable[[BrowserContext], Awaitable[None]]
Visit: TypeAlias = Callable[..., Awaitable[Visitor]]


@pytest_asyncio.fixture(scope="session", loop_scope=LOOP)
async def browser() -> AsyncIterator[Browser]:
    """A Chromium for each worker."""
    async with chromium() as found:
        yield found


@pytest_asyncio.fixture(loop_scope=LOOP)
async def start_site(migrated_url: str) -> AsyncIterator[StartSite]:
    """Starts servers; with no settings given, people sign in by name. They end with the test."""
    async with AsyncExitStack() as stack:

        async def begin(**changes: Any) -> Running:
            changes = {"auth_secret": None} | changes
            return await stack.enter_async_context(running(migrated_url, **changes))

        yield begin


@pytest_asyncio.fixture(loop_scope=LOOP)
async def site(start_site: StartSite) -> Running:
    """A running server where people sign in by name."""
    return await start_site()


class _Blank(Folder):
    """The page's files, with an empty page: a test calls the modules itself."""

    def find(self, path: str) -> File | None:
        """Find as ``Folder`` does."""
        if path == page.INDEX:
            return file_of(
                ".html", b"<!doctype html><title>Ayes</title><link rel=icon href=data:,>"
            )
        return super().find(path)


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that start from now on have an empty page."""
    app, sdk = _Blank(ROOT / "web"), Folder(ROOT / "clients" / "js", only=page.SDK_PARTS)
    monkeypatch.setattr(page, "folders", lambda: (app, sdk))


async def _load(page: Page, watch: Watch, path: str) -> None:
    """Go to ``path``; try again if the machine's network changes meanwhile."""
    for load in range(LOADS):
        watch.is_interrupted = False
        try:
            # The same address with a fragment would load nothing.
            await (page.reload() if load else page.goto(path))
        except Error as error:
            if MACHINE_CHANGED not in error.message:
                raise
            continue
        if not watch.is_interrupted:
            return


@pytest_asyncio.fixture(loop_scope=LOOP)
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Opens pages, each in a profile of its own; at the end none of them may have a fault.

    ``await visit(server, "/#/e/1", viewport=…)``: the rest are options of a browser context.
    ``presses_again``: whether a press that the page ignores is made again. ``prepare`` is awaited
    with the context before it has a page, so that nothing has to be loaded twice.
    """
    visitors: list[Visitor] = []

    async def go(
        server: Any,
        path: str = "/",
        *,
        presses_again: bool = True,
        prepare: Prepare | None = None,
        **options: Any,
    ) -> Visitor:
        base = server if isinstance(server, str) else server.base
        context = await browser.new_context(base_url=base, **options)
        context.set_default_timeout(PATIENCE_MS)
        if presses_again:
            await context.add_init_script(PRESS_AGAIN)
        if prepare is not None:
            await prepare(context)
        page = await context.new_page()
        visitors.append(Visitor(context, page, Watch(page, base)))
        await _load(page, visitors[-1].watch, path)
        return visitors[-1]

    try:
        yield go
    finally:
        for visitor in visitors:
            await visitor.context.close()
    faults = [fault for visitor in visitors for fault in visitor.watch.faults]
    assert not faults, faults
