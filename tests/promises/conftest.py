"""Servers for the tests of the promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeAlias

import pytest

from tests.parts import database
from tests.promises.running import Running, running

Start: TypeAlias = Callable[..., Any]


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str, template: str) -> Iterator[str]:
    """One database for all of these tests: each has events and people of its own."""
    with database(postgres_url, template) as url:
        yield url


@pytest.fixture
async def server(migrated_url: str) -> AsyncIterator[Running]:
    """A running server with the default settings."""
    async with running(migrated_url) as found:
        yield found


@pytest.fixture
async def start(migrated_url: str) -> AsyncIterator[Start]:
    """Starts servers with other settings; they end with the test."""
    async with AsyncExitStack() as stack:

        async def begin(**changes: Any) -> Running:
            context: AbstractAsyncContextManager[Running] = running(migrated_url, **changes)
            return await stack.enter_async_context(context)

        yield begin
