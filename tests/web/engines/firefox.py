"""Firefox, without a window, over WebDriver BiDi."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from signal import Signals
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.campaign.equipment import Missing
from tests.web.engines.program import LOOK_INTERVAL_S, START_TIMEOUT_S, Program, program
from tests.web.engines.tab import Tab, called, packed

NAMES = ("firefox-esr", "firefox")
#: The browser makes no requests of its own, and uses the language that the tests read.
PREFERENCES: dict[str, Any] = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.connection.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "intl.accept_languages": "en-GB",
    "messaging-system.rsexperimentloader.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.proxy.type": 0,
    "remote.active-protocols": 1,
    "services.settings.server": "",
    "toolkit.telemetry.enabled": False,
}
#: Maximum bytes of an answer of the browser. The text of a page is far below.
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class FirefoxTab(Tab):
    """A tab in a container of its own: no other tab shares its storage."""

    def __init__(self, line: Line, context: str, runs: Program) -> None:
        self._line = line
        self._program = runs
        self._context = context

    async def go(self, url: str) -> None:
        """See ``Tab``."""
        await self._ask("browsingContext.navigate", url=url, wait="complete")

    async def reload(self) -> None:
        """See ``Tab``."""
        await self._ask("browsingContext.reload", wait="complete")

    async def call(self, function: str, *arguments: Any) -> Any:
        """See ``Tab``."""
        answer = await self._line.ask(
            "script.callFunction",
            functionDeclaration=called(function),
            arguments=[{"type": "string", "value": packed(arguments)}],
            target={"context": self._context},
            awaitPromise=True,
        )
        if answer["type"] != "success":
            raise AssertionError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    async def act(self, *sources: dict[str, Any]) -> None:
        """See ``Tab``."""
        await self._ask("input.performActions", actions=list(sources))

    def signal(self, number: Signals) -> None:
        """See ``Tab``."""
        self._program.signal(number)

    async def faults(self) -> list[str]:
        """See ``Tab``."""
        return self._line.faults.get(self._context, [])

    async def _ask(self, method: str, **parameters: Any) -> Any:
        return await self._line.ask(method, context=self._context, **parameters)


class Line:
    """The connection to the browser: requests, their answers, and the errors that it reports."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked: dict[int, asyncio.Future[Any]] = {}
        #: The errors of each context.
        self.faults: dict[str, list[str]] = {}

    async def ask(self, method: str, **parameters: Any) -> Any:
        """Return the result of ``method``."""
        number = len(self._asked)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(START_TIMEOUT_S):
            return await answer

    async def listen(self) -> None:
        """Read until the browser closes."""
        async for frame in self._socket:
            message = json.loads(frame)
            if message["type"] == "success":
                self._asked[message["id"]].set_result(message["result"])
            elif message["type"] == "error" and message["id"] is not None:
                self._asked[message["id"]].set_exception(AssertionError(message["message"]))
            elif message.get("method") == "log.entryAdded":
                self._log(message["params"])

    def _log(self, entry: dict[str, Any]) -> None:
        if entry["level"] == "error":
            context = entry["source"].get("context", "")
            self.faults.setdefault(context, []).append(str(entry["text"]))


class Firefox:
    """A running Firefox."""

    def __init__(self, line: Line, runs: Program) -> None:
        self._line = line
        self._program = runs

    async def tab(self) -> Tab:
        """Return a new tab, whose storage is separate."""
        container = (await self._line.ask("browser.createUserContext"))["userContext"]
        made = await self._line.ask("browsingContext.create", type="window", userContext=container)
        return FirefoxTab(self._line, made["context"], self._program)


@asynccontextmanager
async def firefox(folder: Path) -> AsyncIterator[Firefox]:
    """Start Firefox, with a profile in ``folder``. Raises ``Missing``."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise Missing("there is no Firefox: apt-get install firefox-esr")
    preferences = (
        f"user_pref({json.dumps(name)}, {json.dumps(value)});\n"
        for name, value in PREFERENCES.items()
    )
    (folder / "user.js").write_text("".join(preferences))
    command = [found, "--headless", "--no-remote", "--remote-debugging-port", "0"]
    async with program(
        *command, "--profile", str(folder), log=folder / "log", environment={"HOME": str(folder)}
    ) as runs:
        address = f"ws://127.0.0.1:{await _port(folder, runs)}/session"
        async with connect(address, max_size=MAX_ANSWER_BYTES, proxy=None) as socket:
            line = Line(socket)
            listening = asyncio.create_task(line.listen())
            try:
                await line.ask("session.new", capabilities={})
                await line.ask("session.subscribe", events=["log.entryAdded"])
                yield Firefox(line, runs)
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening


async def _port(folder: Path, runs: Program) -> int:
    """Wait until the browser listens."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while runs.runs:
            with suppress(OSError, ValueError, KeyError):
                return int(json.loads((folder / "WebDriverBiDiServer.json").read_text())["ws_port"])
            await asyncio.sleep(LOOK_INTERVAL_S)
    raise RuntimeError(f"Firefox has ended: {runs.log.read_text(errors='replace')}")
