"""Choices from drawn bytes: one draw per step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

#: Drawn for one step: enough for the one with the most choices.
BYTES = 12


class Choice:
    """Choices from drawn bytes."""

    def __init__(self, drawn: bytes) -> None:
        self.number = int.from_bytes(drawn, "little")

    def of(self, things: Sequence[T]) -> T:
        self.number, index = divmod(self.number, len(things))
        return things[index]

    def one_in(self, chances: int) -> bool:
        return self.of(range(chances)) == chances - 1
