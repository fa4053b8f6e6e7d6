"""Choices out of drawn numbers: one draw a rule is what keeps the machine fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

#: More than 24 bits, and Hypothesis would mostly draw small ones.
BITS = 24
NUMBERS = st.integers(0, 2**BITS - 1)


class Choice:
    """Choices out of one drawn number, the first ones the likeliest to remain when it shrinks."""

    def __init__(self, number: int, more: int = 0) -> None:
        self.number = number + (more << BITS)

    def of(self, things: Sequence[T]) -> T:
        self.number, index = divmod(self.number, len(things))
        return things[index]

    def one_in(self, chances: int) -> bool:
        return self.of(range(chances)) == chances - 1
