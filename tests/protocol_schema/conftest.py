"""A running server for the tests of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.promises.running import Running, running

#: Short, so that a heartbeat comes soon. A client that is silent for two heartbeats is closed, so
#: the interval must be longer than a pause of a busy machine.
HEARTBEAT_MS = 5_000


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Running]:
    """A running server with the default limits."""
    async with running(database_url, heartbeat_ms=HEARTBEAT_MS) as found:
        yield found
