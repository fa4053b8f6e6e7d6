"""Refusals against the model: they have no position in the journal, only a time.

The model must refuse too, at one of the positions of that time. If the database's clock was set
back, a time occurs twice, or belongs to no step, and shows nothing. In such a history the clients'
own clock gives the positions at which a refusal may have been decided.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator

from tests.model.chain import instant
from tests.model.difference import answer_differs
from tests.model.history import History, Json, Violation
from tests.model.reference import Model
from tests.model.shapes import command_of, stored
from tests.model.sightings import Sightings


class Refusals:
    """The refusals of one history; ``at`` is called at each position, 0 included."""

    def __init__(self, history: History, rows: list[Json]) -> None:
        self._waiting: dict[int, list[tuple[int, Json]]] = defaultdict(list)
        times = [instant(row["at"]) for row in rows]
        sightings = Sightings(history, rows) if history.set_back else None
        for row in history.rows:
            if row["seq"] is not None or row["payload"] is None:
                continue
            if sightings is not None:
                first, last = sightings.window(row)
            else:
                at = instant(row["at"])
                first, last = bisect_left(times, at), bisect_right(times, at)
            self._waiting[first].append((last, row))

    def at(self, model: Model) -> Iterator[Violation]:
        """Try the refusals that wait for this position; others may wait for the next."""
        for last, row in self._waiting.pop(model.seq, ()):
            answer = model.probe(row["user"], command_of(row), instant(row["at"]))
            if answer and not answer_differs(answer, stored(row)):
                continue
            if model.seq < last:
                self._waiting[model.seq + 1].append((last, row))
                continue
            what = f"{row['user']} {row['command']} {row['id']}"
            yield Violation(5, model.seq, f"{what} was refused {stored(row)}, not {answer}")
