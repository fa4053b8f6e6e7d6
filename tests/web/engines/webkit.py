"""WebKit, the engine of Safari, as Debian builds it: on a virtual screen, over WebDriver."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from signal import Signals
from typing import Any

import httpx

from tests.campaign.equipment import Missing
from tests.parts import free_port
from tests.web.engines.program import LOOK_INTERVAL_S, START_TIMEOUT_S, Program, program
from tests.web.engines.tab import Tab, called, packed

DRIVER = "WebKitWebDriver"
BROWSERS = "*/webkit2gtk-4.*/MiniBrowser"
#: The driver discards the browser's console, so the page notes its errors.
WATCH = """() => {
    const seen = (globalThis.faultsSeen ??= []);
    if (seen.isWatched) return;
    seen.isWatched = true;
    const write = console.error;
    console.error = (...all) => seen.push(all.map(String).join(" ")) && write(...all);
    addEventListener("error", (event) => seen.push(event.message ?? "a resource"), true);
    addEventListener("unhandledrejection", (event) => seen.push(String(event.reason)));
    addEventListener("securitypolicyviolation", (event) => seen.push(event.violatedDirective));
}"""
ENVIRONMENT = {
    "GTK_A11Y": "none",
    "LANGUAGE": "en_GB",
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "NO_AT_BRIDGE": "1",
    "WEBKIT_DISABLE_COMPOSITING_MODE": "1",
}


class WebKitTab(Tab):
    """A browser with one page; its storage ends with it."""

    def __init__(self, session: httpx.AsyncClient, runs: Program) -> None:
        self._session = session
        self._program = runs

    async def go(self, url: str) -> None:
        """See ``Tab``."""
        await self._ask("url", url=url)
        await self.call(WATCH)

    async def reload(self) -> None:
        """See ``Tab``."""
        await self._ask("refresh")
        await self.call(WATCH)

    async def call(self, function: str, *arguments: Any) -> Any:
        """See ``Tab``."""
        script = f"return ({called(function)})(...arguments)"
        return json.loads(await self._ask("execute/sync", script=script, args=[packed(arguments)]))

    async def act(self, *sources: dict[str, Any]) -> None:
        """See ``Tab``."""
        await self._ask("actions", actions=list(sources))

    def signal(self, number: Signals) -> None:
        """See ``Tab``."""
        self._program.signal(number)

    async def faults(self) -> list[str]:
        """See ``Tab``; the errors of this document, since it was loaded."""
        found: list[str] = await self.call("() => globalThis.faultsSeen ?? []")
        return found

    async def _ask(self, path: str, **body: Any) -> Any:
        answer = (await self._session.post(path, json=body)).json()["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"{answer['error']}: {answer['message']}")
        return answer


class WebKit:
    """A virtual screen; each tab is a browser of its own there, since a driver has one session."""

    def __init__(self, stack: AsyncExitStack, folder: Path, display: str) -> None:
        self._stack = stack
        self._folder = folder
        self._display = display
        self._count = 0

    async def tab(self) -> Tab:
        """Return a new tab, whose storage is separate."""
        folder = self._folder / f"tab-{self._count}"
        folder.mkdir()
        self._count += 1
        port = free_port()
        environment = ENVIRONMENT | {"DISPLAY": self._display, "HOME": str(folder)}
        runs = await self._stack.enter_async_context(
            program(
                *(DRIVER, "--host=127.0.0.1", f"--port={port}"),
                log=folder / "log",
                environment=environment,
            )
        )
        http = await self._stack.enter_async_context(
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=START_TIMEOUT_S, trust_env=False
            )
        )
        await _answers(http, runs)
        options = {
            "binary": str(next(Path("/usr/lib").glob(BROWSERS))),
            "args": ["--automation"],
        }
        wanted = {"browserName": "MiniBrowser", "webkitgtk:browserOptions": options}
        made = (
            (await http.post("/session", json={"capabilities": {"alwaysMatch": wanted}}))
            .raise_for_status()
            .json()
        )
        http.base_url = httpx.URL(f"http://127.0.0.1:{port}/session/{made['value']['sessionId']}/")
        return WebKitTab(http, runs)


@asynccontextmanager
async def webkit(folder: Path) -> AsyncIterator[WebKit]:
    """Start a virtual screen for it; files are in ``folder``. Raises ``Missing``."""
    if shutil.which(DRIVER) is None or shutil.which("Xvfb") is None:
        raise Missing("there is no WebKit: apt-get install webkit2gtk-driver xvfb")
    screen = folder / "screen"
    command = ["Xvfb", "-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "1280x1024x24"]
    async with AsyncExitStack() as stack:
        runs = await stack.enter_async_context(program(*command, log=screen))
        async with asyncio.timeout(START_TIMEOUT_S):
            while not (lines := [a for a in screen.read_text().split("\n")[:-1] if a.isdigit()]):
                assert runs.runs, screen.read_text()
                await asyncio.sleep(LOOK_INTERVAL_S)
        yield WebKit(stack, folder, f":{lines[0]}")


async def _answers(http: httpx.AsyncClient, runs: Program) -> None:
    """Wait until the driver listens."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while runs.runs:
            with suppress(httpx.TransportError):
                await http.get("/status")
                return
            await asyncio.sleep(LOOK_INTERVAL_S)
    raise RuntimeError(f"the driver has ended: {runs.log.read_text(errors='replace')}")
