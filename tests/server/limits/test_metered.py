"""A coroutine's use of the loop is measured, and a long one pauses for idle_ratio."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

import pytest

from server.limits.metered import METERED_SLICE_S, Metered


def ticking(step: float) -> Callable[[], float]:
    """A clock by which every step of a coroutine takes ``step`` seconds."""
    return itertools.count(step=step).__next__


async def steps(count: int) -> str:
    """Take ``count`` steps."""
    for _ in range(count - 1):
        await asyncio.sleep(0)
    return "done"


async def test_every_step_counts_and_no_wait_does() -> None:
    metered = Metered(steps(5), clock=ticking(0.01))
    assert await metered == "done"
    assert metered.seconds == pytest.approx(0.05)
    waiting = Metered(asyncio.sleep(0.05))
    await waiting
    assert waiting.seconds < 0.05


async def test_a_long_one_pauses_in_proportion() -> None:
    metered = Metered(steps(4), idle_ratio=3, clock=ticking(0.002))
    await metered
    # After each step but the last
    assert metered.paused == pytest.approx(3 * 3 * 0.002)


async def test_a_short_one_does_not() -> None:
    metered = Metered(steps(4), idle_ratio=3, clock=ticking(METERED_SLICE_S / 8))
    await metered
    assert metered.paused == 0


async def test_what_is_raised_comes_through_both_ways() -> None:
    caught: list[BaseException] = []

    async def wrong() -> None:
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except TimeoutError as err:
            caught.append(err)
        raise LookupError

    with pytest.raises(LookupError):
        await Metered(wrong(), idle_ratio=1, clock=ticking(0.01))
    assert len(caught) == 1


@pytest.mark.parametrize("idle_ratio", [0.0, 1_000.0])
async def test_a_cancelled_one_cancels_what_it_waits_for(idle_ratio: float) -> None:
    """During a pause too; otherwise a database driver would wait for its answer."""
    waited_for: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended = False

    async def waits() -> None:
        nonlocal ended
        try:
            await waited_for
        finally:
            ended = True

    async def run() -> None:
        await Metered(waits(), idle_ratio=idle_ratio, clock=ticking(0.01))

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert waited_for.cancelled()
    assert ended


async def test_what_it_waited_for_may_be_done_before_the_pause_is() -> None:
    async def reads() -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        future.set_result(1)
        task = asyncio.create_task(asyncio.sleep(0, 2))
        return await future + await task

    assert await Metered(reads(), idle_ratio=2, clock=ticking(0.01)) == 3
