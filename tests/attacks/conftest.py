"""Servers to attack, and a check that the attacks do not fill the log."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Protocol

import pytest

from server.transport.budgets import Budgets
from tests.attacks.quiet import defects
from tests.attacks.target import Target, attacked
from tests.fixtures.servers import migrated_url, patient

__all__ = ["migrated_url", "patient"]


class Attack(Protocol):
    """Starts a server with these budgets and settings."""

    async def __call__(self, *, budgets: Budgets | None = None, **changes: Any) -> Target: ...


@pytest.fixture
async def attack(migrated_url: str, patient: None) -> AsyncIterator[Attack]:
    """Starts servers; they end with the test.

    Attackers, server and bystanders share one event loop, so the attackers may delay the database's
    answers.
    """
    async with AsyncExitStack() as stack:

        async def begin(*, budgets: Budgets | None = None, **changes: Any) -> Target:
            context: AbstractAsyncContextManager[Target] = attacked(
                migrated_url, budgets=budgets, **changes
            )
            return await stack.enter_async_context(context)

        yield begin


@pytest.fixture(autouse=True)
def nothing_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No traceback, no error and no token in the log, for any input."""
    caplog.set_level(logging.INFO)
    yield
    found = [what for when in ("setup", "call") for what in defects(caplog.get_records(when))]
    assert not found, found
