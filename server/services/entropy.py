"""Randomness for commands, read from the system for many at once.

One read per command would cost as much as encoding the command's answer.
"""

from __future__ import annotations

import os

from handlers.lanes.decide import ENTROPY_BYTES

#: Commands served by one read from the system.
COMMANDS_PER_READ = 128

_kept: list[bytes] = []
# A forked child must not hand out the same bytes again.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.clear)


def entropy() -> bytes:
    """Return ``ENTROPY_BYTES`` that were never returned before."""
    if not _kept:
        drawn = os.urandom(ENTROPY_BYTES * COMMANDS_PER_READ)
        _kept.extend([drawn[at : at + ENTROPY_BYTES] for at in range(0, len(drawn), ENTROPY_BYTES)])
    return _kept.pop()
