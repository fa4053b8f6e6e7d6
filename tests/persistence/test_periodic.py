"""Repeated work: the effect of its errors, and their log lines."""

from __future__ import annotations

import asyncio
import logging

import asyncpg
import pytest

from persistence.database.failures import LOG_INTERVAL_S, Failures, Kind
from persistence.database.periodic import FAILURE_DELAY_S, MAX_FAILURE_DELAY_S, Periodic
from protocol.errors import ErrorCode, RetryableError

AWAY = ConnectionResetError("gone")
MISSING_RIGHT = asyncpg.InsufficientPrivilegeError("permission denied for table proposals")
RENAMED = asyncpg.UndefinedColumnError('column "expires_at" does not exist')
DEFECT = LookupError("a defect")


class Clock:
    """A clock that moves at the test's request."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "ayes.periodic")
    return caplog


def levels(logged: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in logged.records]


@pytest.mark.parametrize("err", [AWAY, TimeoutError(), RetryableError(ErrorCode.OVERLOADED)])
def test_a_database_out_of_reach_is_logged_once_and_once_when_it_is_back(
    logged: pytest.LogCaptureFixture, err: Exception
) -> None:
    clock = Clock()
    failures = Failures("timers", clock=clock)
    for _ in range(1_000):
        failures.failed(err)
        clock.now += 1
    failures.succeeded()
    failures.succeeded()
    assert levels(logged) == ["INFO", "INFO"]
    assert failures.counts[Kind.UNREACHABLE] == 1_000
    failures.failed(err)
    assert len(logged.records) == 3


@pytest.mark.parametrize("err", [MISSING_RIGHT, RENAMED, DEFECT])
def test_what_the_database_refuses_and_what_is_a_defect_are_errors_again_and_again(
    logged: pytest.LogCaptureFixture, err: Exception
) -> None:
    clock = Clock()
    failures = Failures("timers", clock=clock)
    for _ in range(int(LOG_INTERVAL_S) * 2):
        failures.failed(err)
        clock.now += 1
    assert levels(logged) == ["ERROR", "ERROR"]
    assert f"{int(LOG_INTERVAL_S) - 1} times more" in logged.messages[1]
    assert all(bool(record.exc_info) is (err is DEFECT) for record in logged.records)
    assert failures.failing is (Kind.DEFECT if err is DEFECT else Kind.REFUSED)


def test_a_refusal_is_logged_though_the_database_was_away_a_moment_ago(
    logged: pytest.LogCaptureFixture,
) -> None:
    failures = Failures("timers", clock=Clock())
    for err in (AWAY, MISSING_RIGHT, AWAY, DEFECT):
        failures.failed(err)
    assert levels(logged) == ["INFO", "ERROR", "ERROR"]


async def test_nothing_that_work_raises_ends_its_repetition() -> None:
    slept: list[float] = []
    raised = [AWAY, RENAMED, DEFECT]
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    async def work() -> None:
        if raised:
            raise raised.pop()
        done.set()

    periodic = Periodic("work", 0.0, work, sleep=sleep)
    periodic.start()
    await done.wait()
    await periodic.stop()
    # Without an interval of its own, a failure must not be repeated at once.
    assert slept[:4] == [0.0, FAILURE_DELAY_S, FAILURE_DELAY_S, FAILURE_DELAY_S]
    assert periodic.failures.failing is None


async def test_the_first_call_and_the_interval_are_kept() -> None:
    slept: list[float] = []
    third = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            third.set()
        await asyncio.sleep(0)

    async def work() -> None:
        pass

    periodic = Periodic("work", 5.0, work, first=0.0, sleep=sleep)
    periodic.start()
    await third.wait()
    await periodic.stop()
    assert slept[:3] == [0.0, 5.0, 5.0]


async def test_work_with_a_long_interval_is_soon_tried_again_after_a_failure() -> None:
    """Otherwise it would count as failing for an hour after the database is back."""
    slept: list[float] = []
    raised: list[Exception] = [AWAY]
    done = asyncio.Event()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            done.set()
        await asyncio.sleep(0)

    async def work() -> None:
        if raised:
            raise raised.pop()

    periodic = Periodic("pruning", 3_600.0, work, first=0.0, sleep=sleep)
    periodic.start()
    await done.wait()
    await periodic.stop()
    assert slept[:3] == [0.0, MAX_FAILURE_DELAY_S, 3_600.0]
