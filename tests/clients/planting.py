"""Mistakes planted in clients, which a scenario each must catch."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import pytest

from tests.clients import driving as drivers
from tests.clients import misbehaving as servers
from tests.clients.driving import driving
from tests.clients.misbehaving import misbehaving
from tests.clients.playing import Player
from tests.clients.test_scenarios import SCENARIOS
from tests.transcripts.matching import Mismatch

T = TypeVar("T")
#: Clients with a mistake that run at once: most of their time is patience.
AT_ONCE = 6


def replaced(path: Path, words: str, instead: str) -> None:
    """Write ``instead`` for ``words``, which the file has once."""
    text = path.read_text()
    assert text.count(words) == 1, f"{path.name} was changed; plant the mistake again: {words}"
    path.write_text(text.replace(words, instead))


async def fails(
    command: list[str],
    scenario: str,
    folder: Path,
    by: tuple[type[AssertionError], ...] = (Mismatch,),
) -> bool:
    """Whether the scenario fails with the driver that ``command`` starts."""
    try:
        async with misbehaving() as server, driving(command) as driver:
            await Player(driver, server, folder).play(SCENARIOS[scenario])
    except by:
        return True
    return False


async def uncaught(
    mistakes: Mapping[str, T], caught: Callable[[str, T], Awaitable[bool]], patience: float
) -> list[str]:
    """The names of the mistakes of which ``caught`` is not true.

    Unexpected messages get ``patience`` seconds to come, and so do messages that never come.
    """
    turn = asyncio.Semaphore(AT_ONCE)

    async def missed(name: str, mistake: T) -> bool:
        async with turn:
            return not await caught(name, mistake)

    with pytest.MonkeyPatch.context() as patch:
        for module in (drivers, servers):
            patch.setattr(module, "PATIENCE", patience)
        answers = await asyncio.gather(*(missed(*each) for each in mistakes.items()))
    return [name for name, answer in zip(mistakes, answers, strict=True) if answer]
