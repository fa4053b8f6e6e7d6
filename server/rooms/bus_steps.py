"""Steps that come over the bus, from the node that committed them.

The bus has checked who sealed them. Here they are checked against the room: they are taken only if
they continue its epoch, its position and its history's hash. In all other cases the journal is
read, as after any hint.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import orjson

from handlers.audiences import Patches
from handlers.lanes.decide import StepRecord
from server.bus.port import MAX_STEPS_BYTES
from server.measures.counters import ReceivedSteps
from server.rooms.room import Room
from server.rooms.step_history import RoomStep


class _Step(msgspec.Struct, array_like=True):
    hash: bytes
    encoded: dict[str, bytes]
    """Its patches by audience, as ``StepRecord`` has them."""


class _Steps(msgspec.Struct, array_like=True):
    """Steps of one event without a gap. New fields stand at the end: older versions ignore them."""

    epoch: str
    seq: int
    """The position before them."""
    hash: bytes
    """The hash before them."""
    steps: list[_Step]


class Continuation(NamedTuple):
    """The outcome for published steps, and those that the room is to apply."""

    outcome: ReceivedSteps
    steps: Sequence[RoomStep] = ()


_decoder = msgspec.msgpack.Decoder(_Steps)


def encoded_steps(epoch: str, steps: Sequence[StepRecord]) -> bytes:
    """Encode committed steps for the other nodes; nothing if they are too many for a message."""
    if sum(len(text) for step in steps for text in step.encoded.values()) > MAX_STEPS_BYTES:
        return b""
    first = steps[0]
    made = msgspec.msgpack.encode(
        _Steps(
            epoch,
            first.seq - 1,
            first.previous,
            [_Step(step.hash, step.encoded) for step in steps],
        )
    )
    return made if len(made) <= MAX_STEPS_BYTES else b""


def steps_after(room: Room, published: bytes) -> Continuation:
    """Return those of the published steps that are the next ones of ``room``."""
    try:
        found = _decoder.decode(published)
    except (msgspec.DecodeError, RecursionError):
        return Continuation("unreadable")
    if found.epoch != room.epoch:
        return Continuation("epoch")
    known = room.seq - found.seq
    if known < 0:
        return Continuation("gap")
    if known >= len(found.steps):
        return Continuation("known")
    if room.hash != (found.steps[known - 1].hash if known else found.hash):
        return Continuation("hash")
    try:
        return Continuation("taken", _room_steps(room.seq, found.steps[known:]))
    except (TypeError, orjson.JSONDecodeError):
        # A newer version has an audience that this one does not know.
        return Continuation("unreadable")


def _room_steps(after: int, steps: Iterable[_Step]) -> list[RoomStep]:
    return [
        RoomStep(
            seq,
            Patches(**{label: orjson.loads(text) for label, text in step.encoded.items()}),
            step.encoded,
            step.hash,
        )
        for seq, step in enumerate(steps, after + 1)
    ]
