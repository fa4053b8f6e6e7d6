"""What one session over HTTP sends and when, before a server that answers as a script says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from ayes_client import Client
from ayes_client._connection import connector
from tests.clients.python.conftest import SOON
from tests.clients.python.scripted_http import (
    Message,
    Request,
    ScriptedServer,
    refused,
    scripted,
)
from tests.clients.python.test_outbox import _nowhere
from tests.clients.python.waiting import until


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted() as found:
        yield found


def over_http(server: ScriptedServer, **options: Any) -> Client:
    given: dict[str, Any] = {"token": "t", "transport": "http", "backoff": SOON, "open_timeout": 10}
    return Client(server.url, **(given | options))


# Waits between two attempts.


async def waits_of(client: Client, count: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The first waits of ``client``, by a clock that stands still."""
    monkeypatch.setattr(connector, "time", SimpleNamespace(time=lambda: 0.0))
    waits: list[float] = []

    def note(now: str) -> None:
        if now == "waiting":
            assert client.retry_at is not None
            waits.append(client.retry_at)

    client.on("status", note)
    client.start()
    await until(client, "status", lambda: len(waits) >= count)
    await client.stop()
    return waits[:count]


@pytest.mark.parametrize("transport", [None, "websocket", "http"])
async def test_the_attempts_at_a_closed_port_back_off_over_each_transport(
    transport: connector.Transport | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(_nowhere(), "t", transport=transport, backoff=(0.01, 0.04), random=lambda: 0.5)
    assert await waits_of(client, 5, monkeypatch) == [0.005, 0.01, 0.02, 0.02, 0.02]


async def test_the_wait_that_the_server_asks_for_is_kept_over_http(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(_: Request) -> Message:
        return refused("busy", "same", retry_after_ms=30)

    server.on_hello = busy
    assert await waits_of(over_http(server), 3, monkeypatch) == [0.03, 0.03, 0.03]
