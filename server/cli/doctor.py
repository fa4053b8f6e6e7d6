"""``ayes doctor``: prints the report, one line a finding."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

from protocol.text import escaped
from server.config.settings import Settings
from server.doctor import report
from server.doctor.finding import Finding, Level

#: The exit status if something must be mended.
EXIT_UNFIT = 1


def unreadable(err: Exception) -> int:
    """Print that the settings cannot be read, which ends the report; return the exit status."""
    print(Finding(Level.FAIL, "settings", str(err)))
    return EXIT_UNFIT


def run(settings: Settings, *, as_json: bool = False, strict: bool = False) -> int:
    """Print every finding as it is found; return 1 if one fails, with ``strict`` if one warns."""
    counts: Counter[Level] = Counter()

    async def show() -> None:
        async for finding in report.findings(settings):
            counts[finding.level] += 1
            if as_json:
                print(json.dumps(finding._asdict()), flush=True)
            else:
                print(escaped(str(finding).replace("\n", " ")), flush=True)

    asyncio.run(show())
    bad = counts[Level.FAIL] + (counts[Level.WARN] if strict else 0)
    if not as_json:
        print(f"{counts[Level.FAIL]} to mend, {counts[Level.WARN]} to look at", file=sys.stderr)
    return EXIT_UNFIT if bad else 0
