"""An HTTP client of a test, with its user's token."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx

from tests.promises.client import PATIENCE, Message
from tests.promises.running import Running, token


def caller(server: Running, user: str | None, **headers: str) -> httpx.AsyncClient:
    """An HTTP client of ``user``."""
    given = {"authorization": f"Bearer {token(user)}"} if user else {}
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}/v1",
        headers=given | headers,
        timeout=PATIENCE,
        trust_env=False,
    )


async def state_of(server: Running, user: str, event: str) -> Message:
    """The room as a new subscription of ``user`` shows it."""
    client = await server.connect(user)
    return (await client.subscribe(event)).state


async def events_of(response: httpx.Response) -> AsyncIterator[tuple[str, Message]]:
    """(id, message) of each Server-Sent Event."""
    id_ = ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "id":
            id_ = value
        elif field == "data":
            yield id_, json.loads(value)
