"""Faults of layout in a page as it is shown: cut words, small targets, and the like."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page

_FIT = Path(__file__).with_suffix(".js").read_text()
#: Resolves when every animation has ended, except endless ones.
ENDED = """() => Promise.all(document.getAnimations()
    .filter((one) => one.effect.getTiming().iterations !== Infinity)
    .map((one) => one.finished.catch(() => {})))"""


async def misfits(page: Page, view: str) -> list[str]:
    """Return the faults of ``page``, which shows ``view``, once it is still."""
    await page.evaluate(ENDED)
    found: list[str] = await page.evaluate(_FIT)
    return [f"{view}: {fault}" for fault in found]
