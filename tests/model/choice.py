"""Choices from drawn numbers: one draw per rule keeps the machine fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

#: With more than 24 bits, Hypothesis would mostly draw small numbers.
BITS = 24
NUMBERS = st.integers(0, 2**BITS - 1)


class Choice:
    """Choices from one drawn number; the first ones are the likeliest to stay when it shrinks."""

    def __init__(self, number: int, more: int = 0) -> None:
        self.number = number + (more << BITS)

    def of(self, things: Sequence[T]) -> T:
        self.number, index = divmod(self.number, len(things))
        return things[index]

    def one_in(self, chances: int) -> bool:
        return self.of(range(chances)) == chances - 1
