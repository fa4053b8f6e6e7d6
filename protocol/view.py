"""The base of what rooms show."""

from __future__ import annotations

import msgspec


class View(msgspec.Struct, kw_only=True):
    """A part of what a room shows."""
