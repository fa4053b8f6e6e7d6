"""The browser: found, or fetched by ``scripts/install-chromium``."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, Error, Playwright, async_playwright

from tests.parts import ROOT

#: Longest that fetching it may take: some 100 MB.
INSTALL_SECONDS = 600.0
#: Longest that it may take to start, in milliseconds, on a busy machine.
START_MS = 60_000
#: The headless shell is the same engine without the browser around it: a page costs half as much
#: processor time.
NAMES = (
    "chromium-headless-shell",
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
)
FETCHED = ROOT / ".cache" / "chromium" / "run"

#: Chromium makes no requests of its own, and can reach this machine alone. It draws without a
#: processor for graphics and its imitation, in its own process, which saves a tenth of the time.
QUIET = [
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--no-first-run", "--no-pings"),
    *("--disable-gpu", "--disable-gpu-compositing", "--disable-software-rasterizer"),
    "--in-process-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1 , EXCLUDE ::1",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless browser."""
    program = await asyncio.to_thread(_program) or await _fetched()
    async with async_playwright() as playwright:
        found = await _started(playwright, program)
        try:
            yield found
        finally:
            await found.close()


async def _started(playwright: Playwright, program: str) -> Browser:
    """In its sandbox, if it can have one: not as root, and not if the kernel forbids it.

    It shows only pages of the tests.
    """
    if os.geteuid() != 0:
        try:
            return await _launched(playwright, program, QUIET)
        except Error as err:
            if "sandbox" not in err.message.lower():
                raise
    return await _launched(playwright, program, [*QUIET, "--no-sandbox"])


async def _launched(playwright: Playwright, program: str, options: list[str]) -> Browser:
    return await playwright.chromium.launch(
        executable_path=program, args=options, chromium_sandbox=True, timeout=START_MS
    )


def _program() -> str | None:
    given = os.environ.get("AYES_TEST_CHROMIUM")
    for name in (given,) if given else NAMES:
        if (found := shutil.which(name)) is not None:
            return found
    return str(FETCHED) if FETCHED.exists() else None


async def _fetched() -> str:
    script = str(Path(ROOT) / "scripts" / "install-chromium")
    fetching = await asyncio.create_subprocess_exec(script, sys.executable)
    try:
        async with asyncio.timeout(INSTALL_SECONDS):
            status = await fetching.wait()
    finally:
        if fetching.returncode is None:
            fetching.kill()
            await fetching.wait()
    program = await asyncio.to_thread(_program)
    if status != 0 or program is None:
        raise RuntimeError("there is no Chromium; install one, or set AYES_TEST_CHROMIUM")
    return program
