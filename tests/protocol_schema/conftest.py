"""A running server for the tests of the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.promises.running import Running, running

#: Short, so that a heartbeat is soon seen. A client that is silent for two of them is closed, so it
#: must outlast a pause of a busy machine.
HEARTBEAT_MS = 5_000


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Running]:
    """A running server with the default limits."""
    async with running(database_url, heartbeat_ms=HEARTBEAT_MS) as found:
        yield found
