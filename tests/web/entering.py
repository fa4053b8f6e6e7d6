"""How the tests' users reach an event, and a line that can be cut."""

from __future__ import annotations

import re
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, Route, WebSocketRoute, expect

from tests.web.conftest import Prepare, Visit, Visitor

#: The paths that the page requests if no WebSocket gets through.
OVER_HTTP = re.compile(r"/v1/(commands|events|queries)")
#: Presses of a button that may meet a cut line, and milliseconds between two.
PRESSES, PRESS_MS = 8, 2_000


async def enter(visit: Visit, site: Any, name: str, path: str = "/", **options: Any) -> Visitor:
    """``name`` signs in on the page at ``path``, and is connected."""
    options = {"locale": "en-GB"} | options
    visitor = await visit(site, path, **options)
    await visitor.page.locator("input[name=name]").fill(name)
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.locator(".line.open")).to_be_visible()
    return visitor


def clock(minutes: int) -> Prepare:
    """The user's clock is so many minutes fast."""

    async def wrong(context: BrowserContext) -> None:
        script = f"const now = Date.now; Date.now = () => now() + {minutes} * 60_000;"
        await context.add_init_script(script)

    return wrong


def proposal(page: Page, words: str) -> Locator:
    """The card of the proposal that says ``words``."""
    return page.locator("article.proposal").filter(has_text=words)


class Wire:
    """The page's line to the server: whole, cut, or losing the server's messages."""

    def __init__(self) -> None:
        self.cut = False
        self.deaf = False
        self._sockets: list[tuple[WebSocketRoute, WebSocketRoute]] = []

    async def lay(self, context: BrowserContext) -> None:
        """From now on the sockets and HTTP requests of ``context`` use this wire."""
        await context.route_web_socket("**/v1/socket", self._open)
        await context.route(OVER_HTTP, self._request)

    async def _request(self, route: Route) -> None:
        if self.cut:
            await route.abort()
        else:
            await route.continue_()

    async def _open(self, page: WebSocketRoute) -> None:
        if self.cut:
            await page.close(code=1012)
            return
        server = page.connect_to_server()
        self._sockets.append((page, server))
        page.on_message(lambda message: None if self.cut else server.send(message))
        server.on_message(lambda message: None if self.cut or self.deaf else page.send(message))

    async def sever(self) -> None:
        """Cut the line, and let the page notice."""
        self.cut = True
        for page, server in self._sockets:
            await page.close(code=1012)
            await server.close()
        self._sockets.clear()

    def mend(self) -> None:
        """Mend the line, for the next socket."""
        self.cut = self.deaf = False


async def whole(page: Page, wire: Wire) -> None:
    """Mend the line, and press the button that connects at once."""
    wire.mend()
    now, line = page.get_by_role("button", name="Try now"), page.locator(".line.open")
    for _ in range(PRESSES):
        # An attempt that is under way may still meet the cut.
        await now.evaluate_all("(all) => all.forEach((one) => one.click())")
        try:
            await expect(line).to_be_visible(timeout=PRESS_MS)
        except AssertionError:
            continue
        return
    await expect(line).to_be_visible()


async def settled(page: Page) -> None:
    """Wait until the browser has removed a closed dialog's entry from its history."""
    await page.evaluate(
        "() => history.state?.dialog && new Promise((done) =>"
        " addEventListener('popstate', () => done(), { once: true }))"
    )
