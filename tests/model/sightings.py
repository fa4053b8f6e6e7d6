"""The times at which clients learned an event's positions, by a clock that all clients share.

The journal's times are the database's, and its clock may be set. The clients' clock is monotonic. A
position that was shown before a command was sent is below the command's own position.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

from tests.model.history import History, Json, Operation

Key = tuple[str, str]


class Sightings:
    """Bounds of a position, by when its command was sent and answered."""

    def __init__(self, history: History, rows: Sequence[Json]) -> None:
        self._top = len(rows)
        self._operations: dict[Key, list[Operation]] = defaultdict(list)
        shown: list[tuple[float, int]] = []
        for operation in history.operations:
            self._operations[operation.user, operation.command["id"]].append(operation)
            if (operation.answer or {}).get("type") == "ack" and operation.answered_at is not None:
                shown.append((operation.answered_at, operation.answer["seq"]))  # type: ignore[index]
        for stream in history.streams:
            for when, message in zip(stream.heard_at, stream.messages, strict=False):
                if "seq" in message:
                    shown.append((when, message["seq"]))
        shown.sort()
        self._shown_at = [when for when, _ in shown]
        self._highest = [0, *accumulate((seq for _, seq in shown), max)]
        sent = sorted(
            (self._first_sent(row["user"], row["id"]), row["seq"])
            for row in rows
            if (row["user"], row["id"]) in self._operations
        )
        self._sent_at = [when for when, _ in sent]
        lowest = accumulate((seq for _, seq in reversed(sent)), min, initial=self._top + 1)
        self._lowest = list(lowest)[::-1]

    def floor(self, when: float) -> int:
        """The highest position that a client was shown before ``when``; 0 without one."""
        return self._highest[bisect_left(self._shown_at, when)]

    def ceiling(self, when: float) -> int:
        """The last position that may have been taken before ``when``."""
        return self._lowest[bisect_right(self._sent_at, when)] - 1

    def window(self, refusal: Json) -> tuple[int, int]:
        """The first and the last position at which a refusal may have been decided."""
        user, id = refusal["user"], refusal["id"]
        if not self._operations[user, id]:
            return 0, self._top
        answered = [
            operation.answered_at
            for operation in self._operations[user, id]
            if operation.answered_at is not None
            and (operation.answer or {}).get("code") == refusal["answer"]["code"]
        ]
        last = self.ceiling(min(answered, default=math.inf))
        return self.floor(self._first_sent(user, id)), last

    def _first_sent(self, user: str, id: str) -> float:
        return min(operation.sent_at for operation in self._operations[user, id])
