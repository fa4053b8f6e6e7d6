"""A page in some engine, and its user."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from pathlib import Path
from signal import Signals
from typing import Any, TypeAlias

#: Seconds that the page may take for an expected effect, as in the other tests of the page.
PATIENCE_S = 30.0
#: Seconds between two looks at the page.
LOOK_INTERVAL_S = 0.05
#: Seconds after which a press is repeated: a control that has just moved ignores it.
PRESS_INTERVAL_S = 1.0
PAGE = (Path(__file__).parent / "page.js").read_text(encoding="utf-8").strip()
PRESS = ({"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0})
#: The keys without a character, as WebDriver names them.
KEYS = {"Enter": "\ue007", "Escape": "\ue00c"}

Within: TypeAlias = tuple[str, str] | tuple[str]


class Tab(ABC):
    """A page, in a profile of its own."""

    @abstractmethod
    async def go(self, url: str) -> None:
        """Load ``url``."""

    @abstractmethod
    async def reload(self) -> None:
        """Load the page again."""

    @abstractmethod
    async def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of JavaScript, which may return a promise; all values are JSON."""

    @abstractmethod
    async def act(self, *sources: dict[str, Any]) -> None:
        """Press and type, as WebDriver's actions."""

    @abstractmethod
    def signal(self, number: Signals) -> None:
        """Send ``number`` to the browser's processes."""

    @abstractmethod
    async def faults(self) -> list[str]:
        """Return the errors of the page, as the browser reports them."""

    async def ask(self, what: str, *arguments: Any) -> Any:
        """Call a function of ``page.js``."""
        return await self.call(f"(...all) => ({PAGE.rstrip(';')}).{what}(...all)", *arguments)

    async def until(self, look: Callable[[], Awaitable[Any]], about: str) -> Any:
        """Return the result of ``look``, once that is true."""
        found = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not (found := await look()):
                    await asyncio.sleep(LOOK_INTERVAL_S)
        except TimeoutError:
            shown = await self.call("() => document.body.innerText")
            raise AssertionError(
                f"{about}; the page shows: {shown}; {await self.faults()}"
            ) from None
        return found

    async def sees(self, words: str, selector: str = "body") -> None:
        """Wait until an element of ``selector`` says ``words``."""
        await self.until(lambda: self.ask("says", selector, words), f"no {words!r} in {selector}")

    async def press(self, name: str, within: Within = ("body",), *, shows: str = "") -> None:
        """Press the control of this name; with ``shows``, again until that selector is visible."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while True:
            await self._point(await self._place(name, within), *PRESS)
            if not shows:
                return
            again = loop.time() + PRESS_INTERVAL_S
            while loop.time() < again:
                if await self.ask("says", shows, ""):
                    return
                await asyncio.sleep(LOOK_INTERVAL_S)
            assert loop.time() < deadline, f"{name!r} pressed, and no {shows}"

    async def write(self, name: str, text: str, within: Within = ("body",)) -> None:
        """Type ``text`` into the field of this name."""
        await self.press(name, within)
        await self.keys(text)

    async def keys(self, text: str) -> None:
        """Type the characters of ``text``, or one of ``KEYS``."""
        presses = []
        for key in [KEYS[text]] if text in KEYS else text:
            presses += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        await self.act({"type": "key", "id": "keys", "actions": presses})

    async def hover(self, name: str, within: Within = ("body",)) -> None:
        """Move the pointer to the control of this name."""
        await self._point(await self._place(name, within))

    async def _place(self, name: str, within: Within) -> tuple[int, int]:
        x, y = await self.until(lambda: self.ask("aim", name, within), f"no control {name!r}")
        return round(x), round(y)

    async def _point(self, place: tuple[int, int], *presses: dict[str, Any]) -> None:
        x, y = place
        moves = [{"type": "pointerMove", "x": x, "y": y, "duration": 0}, *presses]
        parameters = {"pointerType": "mouse"}
        await self.act(
            {"type": "pointer", "id": "mouse", "parameters": parameters, "actions": moves}
        )


def called(function: str) -> str:
    """Return a function of one text that calls ``function`` with the JSON in it, for JSON."""
    return f"async (text) => JSON.stringify((await ({function})(...JSON.parse(text))) ?? null)"


def packed(arguments: tuple[Any, ...]) -> str:
    """Return the text for it."""
    return json.dumps(arguments)
