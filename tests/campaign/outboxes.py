"""Outboxes: commands that wait at their sender, and decided commands that are sent again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import NamedTuple

from tests.model.asking import NO_EFFECT, UNKNOWN
from tests.model.history import Json, Operation

#: Maximum of decided commands of earlier rounds that are kept; drawn from each round.
MAX_KEPT = 2_000
KEPT_OF_A_ROUND = 400
#: Answers that need not be kept: nothing was decided, or nothing was remembered.
FORGETTABLE = NO_EFFECT | UNKNOWN | {"bad_request", "id_conflict", "not_found"}


class Decided(NamedTuple):
    """A command of an earlier round, and its answer."""

    user: str
    command: Json
    answer: Json


class Outboxes:
    """The contents of the outboxes, over all rounds."""

    def __init__(self) -> None:
        self.decided: list[Decided] = []
        self._held, self._seconds = 0, 0.0

    def hold_back(self, commands: int, seconds: float) -> None:
        """Let the next ``commands`` wait for ``seconds``."""
        self._held, self._seconds = commands, seconds

    async def wait(self) -> None:
        """Wait in the outbox, if this command is one of those."""
        if self._held > 0:
            self._held -= 1
            await asyncio.sleep(self._seconds)

    def keep(self, operations: Sequence[Operation], rng: random.Random) -> None:
        """Keep some decided ones of ``operations``, without those that a loss took back."""
        fit = [
            operation
            for operation in operations
            if operation.answer is not None
            and operation.answer.get("code") not in FORGETTABLE
            # Its answer has a name, which may be erased.
            and operation.command["type"] != "membership.rename"
        ]
        for one in rng.sample(fit, min(KEPT_OF_A_ROUND, len(fit))):
            assert one.answer is not None
            self.decided.append(Decided(one.user, one.command, one.answer))
        del self.decided[:-MAX_KEPT]

    def some(self, rng: random.Random, count: int) -> list[Decided]:
        """Draw some commands of earlier rounds."""
        return rng.sample(self.decided, min(count, len(self.decided)))


def contradiction(decided: Decided, answer: Json | None) -> str:
    """How ``answer`` differs from the first answer; empty if it does not."""
    if answer is None or answer.get("code") in NO_EFFECT | UNKNOWN:
        return ""
    names = ("type", "seq", "hash", "applied", "result", "code", "details")
    first, now = ({n: each.get(n) for n in names} for each in (decided.answer, answer))
    if first == now and answer.get("replayed"):
        return ""
    return f"{decided.user} {decided.command['id']} was answered {first}, and later {answer}"
