"""The rules for the log of a server under attack: no sign of a defect, and no token."""

from __future__ import annotations

import logging
from collections.abc import Iterable


def defects(records: Iterable[logging.LogRecord]) -> list[str]:
    """The records that show a defect."""
    found = []
    for record in records:
        text = record.getMessage()
        if record.levelno >= logging.ERROR or record.exc_info or "eyJ" in text:
            found.append(f"{record.name}: {text} {record.exc_info or ''}")
    return found
