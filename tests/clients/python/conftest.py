"""A real server, and clients of the Python SDK on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeAlias

import pytest

from ayes_client import Client, Room
from tests.clients.python.terminal import run
from tests.fixtures.servers import migrated_url, patient, server
from tests.promises.running import Running, token
from tests.promises.scenes import BY_HAND, fresh

__all__ = ["migrated_url", "patient", "run", "server"]

Connect: TypeAlias = Callable[..., Any]
#: Waits between two attempts, short for tests.
SOON = (0.02, 0.1)


@pytest.fixture
async def connect(server: Running) -> AsyncIterator[Connect]:
    """Opens clients of the SDK; they end with the test."""
    async with AsyncExitStack() as stack:

        async def begin(user: str | None = None, **options: Any) -> Client:
            url = options.pop("url", server.url)
            client = client_of(url, user or fresh("user"), **options)
            return await stack.enter_async_context(client)

        yield begin


def client_of(url: str, user: str, **options: Any) -> Client:
    """A client that is not started yet."""
    given: dict[str, Any] = {"token": lambda: token(user), "open_timeout": 10, "backoff": SOON}
    return Client(url, **(given | options))


async def gathering(client: Client, **fields: Any) -> Room:
    """An event in progress that ``client`` made, in which no proposal passes by itself."""
    policy = BY_HAND | {"membership_auto": True} | fields.pop("policy", {})
    args: Any = {"subject": "Lunch", "policy": policy, **fields}
    made = await client.command("event.create", args)
    room = await client.subscribe(made.event)
    ack = await room.command("event.start")
    await room.reached(ack.seq)
    return room


async def proposal(room: Room, content: str = "We have an hour") -> str:
    """A pending proposal, shown in the room."""
    ack = await room.propose("assumption", content)
    await room.reached(ack.seq)
    made: str = ack.result["proposal"]
    return made
