"""What a standby's promotion has lost, and a history cut in two there.

Before the cut clients live in one world, after it in another: the new epoch says so to each of
them. Each world has to keep every promise by itself, and the second one has to begin with exactly
what the standby had: nothing is lost beyond that, and nothing of it is changed.

An event that the standby did not have is in the first world alone, until a repeat of its
``event.create`` makes it again: under the same id, which follows from who asks under which id, and
with an epoch of its own.
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

    def __init__(self, postgres: Postgres, name: str) -> None:
        self.found: list[Loss] = []
        self._postgres = postgres
        self._name = name

    async def note_loss(self) -> None:
        """Read what the primary holds, which nobody changes any more.

        All events of the round: of one that was just made, no client may know yet.
        """
        events = await read_events(self._postgres, self._name)
        epochs = await read_epochs(self._postgres, events)
        rows = await read_journals(self._postgres, events)
        self.found.append(Loss(rows, {event: epoch for event, (epoch, _) in epochs.items()}))

    async def note_new_epoch(self) -> None:
        """Read what the new one holds, which no node has seen yet."""
        loss = self.found[-1]
        epochs = await read_epochs(self._postgres, list(loss.rows))
        loss.tops = {event: seq for event, (_, seq) in epochs.items()}
        loss.at = time.monotonic()


@dataclass
class World:
    """An event between two losses: when it was, and the journal that it had."""

    begun: float
    ended: float
    rows: list[Json]
    epoch: str = ""
    """Empty in the last one, whose journal is the one that stayed."""
    kept: int = 0
    """How much of it the next world begins with."""
    lines: dict[tuple[str, str], Json] = field(default_factory=dict)
    """Its lines, by user and id."""

    def __post_init__(self) -> None:
        self.lines = {(row["user"], row["id"]): row for row in self.rows}

    def gave(self, operation: Operation) -> bool:
        """Whether the operation's answer stands in this journal."""
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
        # An event that was not there yet lost nothing.
        if event in loss.rows:
            rows, epoch, top = loss.rows[event], loss.epochs[event], loss.tops.get(event, 0)
            found.append(World(begun, loss.at, rows, epoch, top))
            begun = loss.at
    return [*found, World(begun, math.inf, history.rows)]


def world_of(operation: Operation, worlds: Sequence[World]) -> int | None:
    """The number of the world that an answer is of; ``None`` for no answer.

    An answer is of a world that was there between sending and hearing. If these are several, an
    answer may have been on its way while its world ended: it is of the one in whose journal it
    stands, and of the latest if no journal has it.
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
    """The history of each world of ``event``, each with what is wrong at its beginning."""
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
            # What was answered in another world ended in this one without an answer.
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
    """Commands that were acked, and lost."""
    worlds = worlds_of(event, history, losses)
    return sum(
        number is not None
        and number < len(worlds) - 1
        and (operation.answer or {}).get("seq", 0) > worlds[number].kept
        for operation in history.operations
        for number in [world_of(operation, worlds)]
    )


def lasting(event: str, history: History, losses: Sequence[Loss]) -> list[Operation]:
    """The operations whose answers are of the world that stayed."""
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


def _carried_over(before: World | None, world: World) -> Iterator[Violation]:
    """1: the new world begins with all that the standby had, word by word."""
    if before is None:
        return
    kept = {row["seq"]: row["hash"] for row in world.rows if row["seq"] is not None}
    for row in before.rows:
        seq = row["seq"]
        if seq is not None and seq <= before.kept and kept.get(seq) != row["hash"]:
            yield Violation(1, seq, f"{row['user']} {row['id']} was on the standby, and is not now")
