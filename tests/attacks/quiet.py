"""What a server under attack may log: nothing that looks like a defect, and nobody's token."""

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
