"""Servers for the tests of the promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, TypeAlias

import pytest

from persistence.migrate import upgrade_async
from tests.promises.running import Running, running

Start: TypeAlias = Callable[..., Any]


@pytest.fixture
async def migrated_url(database_url: str) -> str:
    """A database with the schema in it."""
    await upgrade_async(database_url)
    return database_url


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
