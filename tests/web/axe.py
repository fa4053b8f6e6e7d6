"""axe checks a page for people who hear it, or who need contrast (WCAG 2.2 A and AA)."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from playwright.async_api import Page

_AXE = files("axe_playwright_python").joinpath("axe.min.js")
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_SERIOUS = ("serious", "critical")
#: An isolated world: the page's policy does not apply there, and the page does not see axe.
_RUN = """(tags) => axe.run(document, {
    runOnly: { type: "tag", values: tags },
    // The elements that pass need not be described.
    resultTypes: ["violations"],
})"""


async def faults(page: Page, *, impacts: tuple[str, ...] = _SERIOUS) -> list[str]:
    """The faults that axe finds in ``page`` as it is now, of these impacts at least."""
    if not await page.evaluate("typeof axe === 'object'"):
        await page.evaluate(_AXE.read_text())
    result: dict[str, Any] = await page.evaluate(_RUN, list(_TAGS))
    return [
        f"{found['impact']}: {found['id']}: {found['help']}: {node['html'][:200]} {node['target']}"
        for found in result["violations"]
        if found["impact"] in impacts
        for node in found["nodes"]
    ]
