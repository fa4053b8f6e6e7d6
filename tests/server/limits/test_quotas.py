"""A user beyond their share waits for it; no other user does."""

from __future__ import annotations

import asyncio

import pytest

from protocol.errors import ErrorCode, RetryableError
from server.limits import quotas as module
from server.limits.quotas import BURST_MS, MAX_RUNNING_QUERIES, Quotas


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Held:
    """A query that is answered at the test's request."""

    def __init__(self) -> None:
        self.begun = 0
        self.free = asyncio.Event()

    async def ask(self) -> str:
        """Start it, and wait until it runs or queues."""
        self.begun += 1
        await self.free.wait()
        return "answered"


async def answered() -> str:
    """A query without cost."""
    return "answered"


async def settle() -> None:
    """Run the loop until nothing more happens."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_few_at_once_and_the_others_after_them() -> None:
    quotas, held = Quotas(Clock()), Held()
    asked = [
        asyncio.create_task(quotas.ask("ann", held.ask)) for _ in range(MAX_RUNNING_QUERIES + 2)
    ]
    await settle()
    assert held.begun == MAX_RUNNING_QUERIES
    assert await quotas.ask("ben", answered) == "answered"
    held.free.set()
    assert await asyncio.gather(*asked) == ["answered"] * len(asked)


async def test_who_has_used_up_their_share_waits_and_nobody_else_does() -> None:
    clock = Clock()
    quotas = Quotas(clock)
    quotas.charge("ann", BURST_MS / 1_000)
    waiting = asyncio.create_task(quotas.ask("ann", answered))
    assert await quotas.ask("ben", answered) == "answered"
    await settle()
    assert not waiting.done()
    clock.now += 1
    assert await waiting == "answered"


async def test_bytes_of_answers_count_too() -> None:
    quotas = Quotas(Clock())
    for _ in range(100):
        quotas.charge("ann", size=1_000_000)
    waiting = asyncio.create_task(quotas.ask("ann", answered))
    await settle()
    assert not waiting.done()
    waiting.cancel()


async def test_one_at_a_time_while_the_share_is_scarce() -> None:
    quotas, held = Quotas(Clock()), Held()
    quotas.charge("ann", (BURST_MS - module.SCARCE_MS / 2) / 1_000)
    asked = [asyncio.create_task(quotas.ask("ann", held.ask)) for _ in range(3)]
    await settle()
    assert held.begun == 1
    held.free.set()
    await asyncio.gather(*asked)


async def test_beyond_those_that_may_wait_it_is_busy_and_says_how_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING_QUERIES", 1)
    clock = Clock()
    quotas = Quotas(clock)
    quotas.charge("ann", BURST_MS * 1.1 / 1_000)
    waiting = asyncio.create_task(quotas.ask("ann", answered))
    await settle()
    with pytest.raises(RetryableError) as refused:
        await quotas.ask("ann", answered)
    assert refused.value.code == ErrorCode.BUSY
    assert refused.value.retry_after_ms is not None
    assert refused.value.retry_after_ms > BURST_MS / module.MS_PER_SECOND * 90
    clock.now += 10
    assert await waiting == "answered"


async def test_who_waits_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUERY_WAIT_TIMEOUT_S", 0.01)
    quotas, held = Quotas(Clock()), Held()
    asked = [asyncio.create_task(quotas.ask("ann", held.ask)) for _ in range(MAX_RUNNING_QUERIES)]
    await settle()
    with pytest.raises(RetryableError) as refused:
        await quotas.ask("ann", answered)
    assert refused.value.code == ErrorCode.BUSY
    held.free.set()
    await asyncio.gather(*asked)
    assert await quotas.ask("ann", answered) == "answered"


async def test_who_goes_away_leaves_their_place_to_the_next() -> None:
    quotas, held = Quotas(Clock()), Held()
    asked = [
        asyncio.create_task(quotas.ask("ann", held.ask)) for _ in range(MAX_RUNNING_QUERIES + 2)
    ]
    await settle()
    asked[MAX_RUNNING_QUERIES].cancel()
    asked[0].cancel()
    await settle()
    assert held.begun == MAX_RUNNING_QUERIES + 1
    held.free.set()
    await asyncio.gather(*asked, return_exceptions=True)
    account = quotas._account("ann")
    assert (account.running, len(account.waiting)) == (0, 0)


async def test_who_goes_away_in_the_moment_of_their_turn_loses_nothing_of_the_others() -> None:
    clock = Clock()
    quotas = Quotas(clock)
    quotas.charge("ann", BURST_MS / 1_000)
    gone, stays = (asyncio.create_task(quotas.ask("ann", answered)) for _ in range(2))
    await settle()
    clock.now += 10
    # Its future is cancelled at once, and the task notices it a turn of the loop later.
    gone.cancel()
    quotas._let_in(quotas._account("ann"))
    assert await stays == "answered"
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert quotas._account("ann").running == 0


async def test_the_users_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_QUOTA_USERS", 8)
    quotas, held = Quotas(Clock()), Held()
    asking = asyncio.create_task(quotas.ask("ann", held.ask))
    await settle()
    for number in range(20):
        await quotas.ask(f"user-{number}", answered)
    assert len(quotas._accounts) <= 8
    # A user whose query is being answered is not forgotten.
    assert "ann" in quotas._accounts
    held.free.set()
    await asking
