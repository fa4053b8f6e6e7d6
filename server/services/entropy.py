"""Randomness for commands, asked of the system for many at once: for each it costs as much as
encoding its answer."""

from __future__ import annotations

import os

from handlers.lanes.decide import ENTROPY_BYTES

#: Commands that one call to the system is for.
MIN_READ_BYTES = 128

_kept: list[bytes] = []
# A process that is forked off would give the same away once more.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.clear)


def entropy() -> bytes:
    """``ENTROPY_BYTES`` that nobody had before."""
    if not _kept:
        drawn = os.urandom(ENTROPY_BYTES * MIN_READ_BYTES)
        _kept.extend(drawn[at : at + ENTROPY_BYTES] for at in range(0, len(drawn), ENTROPY_BYTES))
    return _kept.pop()
