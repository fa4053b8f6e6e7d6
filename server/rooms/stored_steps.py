"""Decodes the journal's steps for rooms."""

from __future__ import annotations

from collections.abc import Generator

import msgspec

from handlers.audiences import Patches
from persistence.queries.event_reads import StoredStep
from server.rooms.step_history import RoomStep

#: Steps decoded in one iteration of the loop; a long one has some 25 KB.
MAX_DECODED_STEPS = 16

_patches = msgspec.json.Decoder(Patches)
_texts = msgspec.json.Decoder(dict[str, msgspec.Raw])


def step_of(stored: StoredStep) -> RoomStep:
    """Decode one step of the journal."""
    texts = {label: bytes(text) for label, text in _texts.decode(stored.patches).items()}
    return RoomStep(stored.seq, _patches.decode(stored.patches), texts, stored.hash)


def steps_of(stored: list[StoredStep]) -> Generator[None, None, list[RoomStep]]:
    """Decode steps; yield after each ``MAX_DECODED_STEPS``, and return all."""
    found = []
    for number, line in enumerate(stored, 1):
        found.append(step_of(line))
        if number % MAX_DECODED_STEPS == 0:
            yield
    return found
