"""The time that throttled sockets share: a socket that fails does not stop the others."""

from __future__ import annotations

import asyncio
from typing import Any

from server.limits.fair_scheduler import FairScheduler


class Broken:
    def run_slice(self) -> None:
        raise RuntimeError("a defect")


class Sound:
    def __init__(self) -> None:
        self.had_its_turn = asyncio.Event()

    def run_slice(self) -> None:
        self.had_its_turn.set()


async def test_after_one_that_fails_the_others_have_their_turn() -> None:
    loop = asyncio.get_running_loop()
    told: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: told.append(context))
    turns, sound, late = FairScheduler(loop), Sound(), Sound()
    turns.wait(Broken())
    turns.wait(sound)
    async with asyncio.timeout(30):
        await sound.had_its_turn.wait()
        turns.wait(late)
        await late.had_its_turn.wait()
    assert [str(context["exception"]) for context in told] == ["a defect"]
