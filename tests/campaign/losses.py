"""The data that a standby's promotion lost, and histories that are cut in two by it.

Before the cut clients live in one world, after it in another: the new epoch shows each of them the
change. Each world must keep every promise by itself. The second world must begin with exactly what
the standby had: nothing more is lost, and nothing is changed.

If the standby did not have an event, the event is in the first world alone, until a repeat of its
``event.create`` makes it again. It then has the same id, which follows from the user and the
command's id, and an epoch of its own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from tests.campaign.journals import read_epochs, read_events, read_journals
from tests.campaign.stores import Postgres
from tests.model.chain import raw
from tests.model.history import History, Json, Operation, Stream, Violation


@dataclass
class Loss:
    """A promotion of a standby that was behind, by event."""

    rows: dict[str, list[Json]]
    """The old primary's rows when it was fenced off."""
    epochs: dict[str, str]
    """The epochs before the promotion."""
    tops: dict[str, int] = field(default_factory=dict)
    """The standby's positions when it was promoted."""
    at: float = math.inf
    """The moment before any node reached the new primary."""


class Losses:
    """The losses of one round."""

    def __init__(self, postgres: Postgres, name: str) -> None:
        self.found: list[Loss] = []
        self._postgres = postgres
        self._name = name

    async def note_loss(self) -> None:
        """Read what the primary holds, once nobody writes to it any more.

        All events of the round are read, since no client may know yet of an event that was just
        made.
        """
        events = await read_events(self._postgres, self._name)
        epochs = await read_epochs(self._postgres, events)
        rows = await read_journals(self._postgres, events)
        self.found.append(Loss(rows, {event: epoch for event, (epoch, _) in epochs.items()}))

    async def note_new_epoch(self) -> None:
        """Read what the new primary holds, before any node has reached it."""
        loss = self.found[-1]
        epochs = await read_epochs(self._postgres, list(loss.rows))
        loss.tops = {event: seq for event, (_, seq) in epochs.items()}
        loss.at = time.monotonic()


@dataclass
class World:
    """An event between two losses: its time span, and its journal then."""

    begun: float
    ended: float
    rows: list[Json]
    epoch: str = ""
    """Empty in the last world, whose journal is the present one."""
    kept: int = 0
    """The number of lines that the next world begins with."""
    lines: dict[tuple[str, str], Json] = field(default_factory=dict)
    """The lines by user and id."""

    def __post_init__(self) -> None:
        self.lines = {(row["user"], row["id"]): row for row in self.rows}

    def gave(self, operation: Operation) -> bool:
        """Whether this journal holds the operation's answer."""
        answer = operation.answer or {}
        row = self.lines.get((operation.user, operation.command["id"]))
        if row is None:
            return False
        if answer["type"] == "ack":
            return row["seq"] == answer["seq"] and raw(row["hash"]) == bytes.fromhex(answer["hash"])
        return row["seq"] is None and row["answer"].get("code") == answer["code"]


def worlds_of(event: str, history: History, losses: Sequence[Loss]) -> list[World]:
    """The worlds of ``event``, in order: each loss that it was in ends one."""
    found, begun = [], -math.inf
    for loss in losses:
        # An event that did not exist yet lost nothing.
        if event in loss.rows:
            rows, epoch, top = loss.rows[event], loss.epochs[event], loss.tops.get(event, 0)
            found.append(World(begun, loss.at, rows, epoch, top))
            begun = loss.at
    return [*found, World(begun, math.inf, history.rows)]


def world_of(operation: Operation, worlds: Sequence[World]) -> int | None:
    """The number of the world that an answer belongs to; ``None`` without an answer.

    It is a world that existed between sending and answer. If there are several, an answer may have
    been on its way while its world ended. It then belongs to the world whose journal holds it, and
    to the latest one if none does.
    """
    answered = operation.answered_at
    if operation.answer is None or answered is None:
        return None
    numbers = [
        number
        for number, world in enumerate(worlds)
        if world.begun <= answered and operation.sent_at < world.ended
    ]
    gave = [number for number in numbers if worlds[number].gave(operation)]
    return (gave or numbers)[-1]


def histories(
    event: str, history: History, losses: Sequence[Loss]
) -> Iterator[tuple[History, list[Violation]]]:
    """The history of each world of ``event``, each with the violations at its beginning."""
    worlds = worlds_of(event, history, losses)
    of = [world_of(operation, worlds) for operation in history.operations]
    known = {world.epoch for world in worlds[:-1]}
    before: World | None = None
    for number, world in enumerate(worlds):
        is_last = number == len(worlds) - 1
        streams = (
            _without(history.streams, known) if is_last else _of_epoch(history.streams, world.epoch)
        )
        operations = [
            # Here an operation that was answered in another world ended without an answer.
            operation
            if which in (None, number)
            else replace(operation, answer=None, answered_at=None)
            for operation, which in zip(history.operations, of, strict=True)
            if operation.sent_at < world.ended
        ]
        yield (
            replace(
                history,
                operations=operations,
                streams=list(streams),
                rows=world.rows,
                final=history.final if is_last else {},
            ),
            list(_carried_over(before, world)),
        )
        before = world


def lost(event: str, history: History, losses: Sequence[Loss]) -> int:
    """Commands that were acked, and then lost."""
    worlds = worlds_of(event, history, losses)
    return sum(
        number is not None
        and number < len(worlds) - 1
        and (operation.answer or {}).get("seq", 0) > worlds[number].kept
        for operation in history.operations
        for number in [world_of(operation, worlds)]
    )


def lasting(event: str, history: History, losses: Sequence[Loss]) -> list[Operation]:
    """The operations whose answers belong to the last world."""
    worlds = worlds_of(event, history, losses)
    last = len(worlds) - 1
    return [each for each in history.operations if world_of(each, worlds) == last]


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
            # Still in a world that has ended: the checker must report it.
            yield replace(stream, messages=[], heard_at=[])
        for number, (known, part) in enumerate(parts, 1):
            if known not in epochs:
                yield replace(part, live=stream.live and number == len(parts))


def _parts(stream: Stream) -> list[tuple[str, Stream]]:
    """The stream cut at each new epoch; a message without one belongs to the latest epoch."""
    found: list[tuple[str, Stream]] = []
    for place, message in enumerate(stream.messages):
        epoch = message.get("epoch", found[-1][0] if found else "")
        if not found or epoch != found[-1][0]:
            found.append((epoch, replace(stream, messages=[], heard_at=[], live=False)))
        found[-1][1].messages.append(message)
        found[-1][1].heard_at += stream.heard_at[place : place + 1]
    return found


def _carried_over(before: World | None, world: World) -> Iterator[Violation]:
    """Check 1: the new world begins with everything that the standby had, byte by byte."""
    if before is None:
        return
    kept = {row["seq"]: row["hash"] for row in world.rows if row["seq"] is not None}
    for row in before.rows:
        seq = row["seq"]
        if seq is not None and seq <= before.kept and kept.get(seq) != row["hash"]:
            yield Violation(1, seq, f"{row['user']} {row['id']} was on the standby, and is not now")
