"""How the tests' people get to where something happens, and a line that can be cut."""

from __future__ import annotations

from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, WebSocketRoute, expect

from tests.web.conftest import Visit, Visitor

#: Presses of a button that moves under the finger, and milliseconds between two.
PRESSES, PRESS_MS = 5, 2_000


async def enter(visit: Visit, site: Any, name: str, path: str = "/", **options: Any) -> Visitor:
    """``name`` signs in on the page at ``path``, and is connected."""
    options = {"locale": "en-GB"} | options
    visitor = await visit(site, path, **options)
    await visitor.page.locator("input[name=name]").fill(name)
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.locator(".line.open")).to_be_visible()
    return visitor


def proposal(page: Page, words: str) -> Locator:
    """The card of the proposal that says ``words``."""
    return page.locator("article.proposal").filter(has_text=words)


class Wire:
    """The page's way to the server: whole, cut, or losing what comes back."""

    def __init__(self) -> None:
        self.cut = False
        self.deaf = False
        self._sockets: list[tuple[WebSocketRoute, WebSocketRoute]] = []

    async def lay(self, context: BrowserContext) -> None:
        """From now on the sockets of ``context`` go over this wire."""
        await context.route_web_socket("**/v1/socket", self._open)

    async def _open(self, page: WebSocketRoute) -> None:
        if self.cut:
            await page.close(code=1012)
            return
        server = page.connect_to_server()
        self._sockets.append((page, server))
        page.on_message(lambda message: None if self.cut else server.send(message))
        server.on_message(lambda message: None if self.cut or self.deaf else page.send(message))

    async def sever(self) -> None:
        """Cut it, and let the page notice."""
        self.cut = True
        for page, server in self._sockets:
            await page.close(code=1012)
            await server.close()
        self._sockets.clear()

    def mend(self) -> None:
        """Whole again, for the next socket."""
        self.cut = self.deaf = False


async def pressed(button: Locator, shows: Locator) -> None:
    """``button`` is pressed until ``shows`` is there: one that has just moved takes no press."""
    for _ in range(PRESSES):
        await button.click()
        try:
            await expect(shows).to_be_visible(timeout=PRESS_MS)
        except AssertionError:
            continue
        return
    await expect(shows).to_be_visible()
