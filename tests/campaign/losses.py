"""What a standby's promotion has lost, and a history cut in two there.

Before the cut clients live in one world, after it in another: the new epoch says so to each of
them. Each world has to keep every promise by itself, and the second one has to begin with exactly
what the standby had: nothing is lost beyond that, and nothing of it is changed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from tests.campaign.journals import read_epochs, read_journals
from tests.campaign.stores import Postgres
from tests.model.history import History, Json, Operation, Stream, Violation


@dataclass
class Loss:
    """One promotion of a standby that was behind, by event."""

    rows: dict[str, list[Json]]
    """What the old primary held when it was fenced off."""
    epochs: dict[str, str]
    """The epochs until then."""
    tops: dict[str, int] = field(default_factory=dict)
    """Where the standby stood when it was promoted."""
    at: float = math.inf
    """The moment before any node saw the new primary."""


class Losses:
    """Those of one round."""

    def __init__(self, postgres: Postgres) -> None:
        self.found: list[Loss] = []
        self._postgres = postgres

    async def note_loss(self, events: Sequence[str]) -> None:
        """Read what the primary holds, which nobody changes any more."""
        epochs = await read_epochs(self._postgres, events)
        # In one moment: nobody writes any more.
        rows = await read_journals(self._postgres, events)
        self.found.append(Loss(rows, {event: epoch for event, (epoch, _) in epochs.items()}))

    async def note_new_epoch(self, events: Sequence[str]) -> None:
        """Read what the new one holds, which no node has seen yet."""
        loss = self.found[-1]
        loss.tops = {
            event: seq for event, (_, seq) in (await read_epochs(self._postgres, events)).items()
        }
        loss.at = time.monotonic()


def worlds(
    event: str, history: History, losses: Sequence[Loss]
) -> Iterator[tuple[History, list[Violation]]]:
    """The history of ``event`` between the losses, each with what is wrong at its beginning."""
    begun, before = -math.inf, None
    for loss in losses:
        if event not in loss.rows:
            continue
        rows = loss.rows[event]
        until = [_until(operation, begun, loss.at) for operation in history.operations]
        yield (
            replace(
                history,
                operations=[each for each in until if each is not None],
                streams=list(_of_epoch(history.streams, loss.epochs[event])),
                rows=rows,
                final={},
            ),
            list(_carried_over(before, rows)),
        )
        begun, before = loss.at, (rows, loss.tops.get(event, 0))
    known = {loss.epochs[event] for loss in losses if event in loss.epochs}
    last = [_until(operation, begun, math.inf) for operation in history.operations]
    yield (
        replace(
            history,
            operations=[each for each in last if each is not None],
            streams=list(_without(history.streams, known)),
        ),
        list(_carried_over(before, history.rows)),
    )


def lost(event: str, history: History, losses: Sequence[Loss]) -> int:
    """Commands that were acked, and lost."""
    found, begun = 0, -math.inf
    for loss in losses:
        found += sum(
            operation.answered_at is not None
            and begun <= operation.answered_at < loss.at
            and (operation.answer or {}).get("seq", 0) > loss.tops.get(event, 0)
            for operation in history.operations
        )
        begun = loss.at
    return found


def _until(operation: Operation, begun: float, ended: float) -> Operation | None:
    """It as this world knows it: what was answered in another ended here without an answer."""
    if operation.sent_at >= ended:
        return None
    answered = operation.answered_at
    if answered is None or begun <= answered < ended:
        return operation
    return replace(operation, answer=None, answered_at=None)


def _of_epoch(streams: Sequence[Stream], epoch: str) -> Iterator[Stream]:
    for stream in streams:
        yield from (replace(part, live=False) for known, part in _parts(stream) if known == epoch)


def _without(streams: Sequence[Stream], epochs: set[str]) -> Iterator[Stream]:
    if not epochs:
        yield from streams
        return
    for stream in streams:
        parts = _parts(stream)
        if stream.live and (not parts or parts[-1][0] in epochs):
            # Still in a world that is no more: the checker is to say so.
            yield replace(stream, messages=[], heard_at=[])
        for number, (known, part) in enumerate(parts, 1):
            if known not in epochs:
                yield replace(part, live=stream.live and number == len(parts))


def _parts(stream: Stream) -> list[tuple[str, Stream]]:
    """The stream cut at each new epoch; what has none belongs to the one that is known by then."""
    found: list[tuple[str, Stream]] = []
    for place, message in enumerate(stream.messages):
        epoch = message.get("epoch", found[-1][0] if found else "")
        if not found or epoch != found[-1][0]:
            found.append((epoch, replace(stream, messages=[], heard_at=[], live=False)))
        found[-1][1].messages.append(message)
        found[-1][1].heard_at += stream.heard_at[place : place + 1]
    return found


def _carried_over(before: tuple[list[Json], int] | None, rows: list[Json]) -> Iterator[Violation]:
    """1: the new world begins with all that the standby had, word by word."""
    if before is None:
        return
    old, top = before
    kept = {row["seq"]: row["hash"] for row in rows if row["seq"] is not None}
    for row in old:
        seq = row["seq"]
        if seq is not None and seq <= top and kept.get(seq) != row["hash"]:
            yield Violation(1, seq, f"{row['user']} {row['id']} was on the standby, and is not now")
