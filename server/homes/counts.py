"""Counters of forwarded commands, for the metrics."""

from __future__ import annotations

from collections import Counter
from typing import Final, Literal, TypeAlias, get_args

LocalCause: TypeAlias = Literal["bus", "distrusted", "silent", "lost", "gone", "stuck"]
"""Why a command was decided where its socket is, and not at the event's home.

``bus``: Redis is out of reach. ``distrusted``: the home has failed a moment ago. The others were
forwarded and taken back: ``silent``: the home said nothing; ``lost``: a letter was; ``gone``: the
home lives no more; ``stuck``: it says that commands wait, and answers none.
"""
RefusedLetter: TypeAlias = Literal["unreadable", "stranger", "late", "order"]
"""Why a letter, or a part of it, was ignored.

``stranger``: its writer does not live. ``order``: it came twice, or out of its order.
"""

LOCAL_CAUSES: Final[tuple[LocalCause, ...]] = get_args(LocalCause)
REFUSED_LETTERS: Final[tuple[RefusedLetter, ...]] = get_args(RefusedLetter)


class ForwardCounts:
    """Counters of one node since its start."""

    def __init__(self) -> None:
        self.forwarded = 0
        """Commands sent to their event's home."""
        self.answered = 0
        """Forwarded commands that the home has answered."""
        self.received = 0
        """Commands of other nodes that were handed to a lane here."""
        self.local: Counter[LocalCause] = Counter()
        self.refused: Counter[RefusedLetter] = Counter()
