"""Expensive work is done one piece at a time, with a pause of the loop after each."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from protocol.errors import ErrorCode, RetryableError
from server.limits import work_throttle
from server.limits.work_throttle import WorkThrottle


async def test_one_piece_at_a_time_in_the_order_of_the_calls() -> None:
    work = WorkThrottle()
    at_once, most, order = 0, 0, []

    async def piece(number: int) -> int:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        order.append(number)
        at_once -= 1
        return number

    async def run(number: int) -> int:
        return await work.run(lambda: piece(number))

    assert await asyncio.gather(*(run(number) for number in range(5))) == [0, 1, 2, 3, 4]
    assert (most, order) == (1, [0, 1, 2, 3, 4])


async def test_the_pause_comes_after_the_answer_and_before_the_next_piece() -> None:
    loop = asyncio.get_running_loop()
    work = WorkThrottle(idle_ratio=4, clock=itertools.count(step=0.02).__next__)
    charged: list[float] = []
    began = loop.time()
    await work.run(_nothing, charged.append)
    answered = loop.time()
    await work.run(_nothing, charged.append)
    assert loop.time() - began >= 4 * 0.02
    assert answered - began < loop.time() - answered
    assert charged == pytest.approx([0.02, 0.02])


async def test_a_waiter_that_goes_away_keeps_nobody_waiting() -> None:
    work = WorkThrottle()
    free = asyncio.Event()

    async def held() -> None:
        await free.wait()

    first = asyncio.create_task(work.run(held))
    await asyncio.sleep(0)
    begun = 0

    async def counted() -> None:
        nonlocal begun
        begun += 1

    gone = asyncio.create_task(work.run(counted))
    last = asyncio.create_task(work.run(counted))
    await asyncio.sleep(0)
    gone.cancel()
    free.set()
    await asyncio.gather(first, last)
    assert gone.cancelled()
    assert begun == 1


async def test_more_than_may_wait_are_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_throttle, "MAX_WAITING_WORK", 1)
    work = WorkThrottle()
    free = asyncio.Event()

    async def held() -> None:
        await free.wait()

    first = asyncio.create_task(work.run(held))
    await asyncio.sleep(0)
    with pytest.raises(RetryableError) as refused:
        await work.run(_nothing)
    assert refused.value.code == ErrorCode.BUSY
    assert refused.value.retry_after_ms
    free.set()
    await first
    await work.run(_nothing)


async def test_a_piece_that_fails_is_paid_for_and_the_next_one_is_done() -> None:
    work = WorkThrottle(clock=itertools.count(step=0.001).__next__)
    charged: list[float] = []

    async def fails() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await work.run(fails, charged.append)
    await work.run(_nothing)
    assert charged == pytest.approx([0.001])


async def _nothing() -> None:
    """Take one step."""
