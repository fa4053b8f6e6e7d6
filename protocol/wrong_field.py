"""Read the wrong field from the text of msgspec's errors: the only place that knows that text.

msgspec has no attribute for it. ``tests/protocol/test_wrong_field.py`` pins the text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

_PATH = re.compile(r" - at `\$\.?([^`]*)`\Z")
_MISSING = re.compile(r"\AObject missing required field `([^`]+)`")


class WrongField(NamedTuple):
    """A field that did not decode; ``path`` is empty for the message itself."""

    path: str
    reason: str


def wrong_field(err: msgspec.ValidationError) -> WrongField:
    """Return the field that ``err`` is about; a missing field is named itself, not its object."""
    text = str(err)
    path = match[1] if (match := _PATH.search(text)) else ""
    reason = _PATH.sub("", text)
    if missing := _MISSING.match(text):
        path = f"{path}.{missing[1]}" if path else missing[1]
    return WrongField(path, reason)
