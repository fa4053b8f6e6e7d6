"""A locked event, a batch decided at once, and handlers that fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest

from handlers.commands.registry import HANDLERS
from handlers.step import Outcome, Step
from protocol.commands import CommentAdd
from tests.promises.client import Client, Message
from tests.promises.running import Running
from tests.promises.scenes import Scene


@asynccontextmanager
async def held(url: str, event: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Lock the event's row from another session meanwhile."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", event)
            yield connection
    finally:
        await connection.close()


async def one_batch(
    server: Running, url: str, scene: Scene, commands: list[tuple[Client, Message]]
) -> list[Message]:
    """All commands decided in one transaction; their answers."""
    posted = []
    async with held(url, scene.event):
        # The first command alone waits for the lock; the rest gather behind it.
        first = await scene.admin.post("event.rotate_code", event=scene.event)
        lanes = server.node.lanes
        for client, command in commands:
            posted.append(await client.post(event=scene.event, **command))
        for client, command in commands:
            while not lanes.pending(scene.event, [(client.user, command["id"])]):
                await asyncio.sleep(0)
    await scene.admin.answered(first)
    return [
        await client.answered(future) for (client, _), future in zip(commands, posted, strict=True)
    ]


Handler = Callable[[Step, Any], Outcome]


@pytest.fixture
def spoiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comments that say ``boom`` raise during the decision; ``poison`` cannot be written."""
    good: Handler = HANDLERS[CommentAdd]

    def comment(step: Step, command: CommentAdd) -> Outcome:
        if command.content == "poison":
            command = msgspec.structs.replace(command, content="\0")
        outcome = good(step, command)
        if command.content == "boom":
            raise RuntimeError("boom")
        return outcome

    patched: dict[Any, Any] = HANDLERS
    monkeypatch.setitem(patched, CommentAdd, comment)


def comments(scene: Scene, proposal: str, words: list[str]) -> list[tuple[Client, Message]]:
    """A comment of each text, by the members in turn."""
    return [
        (
            scene.members[number % len(scene.members)],
            {
                "type": "comment.add",
                "id": f"{word}-{number:04d}",
                "proposal": proposal,
                "content": word,
            },
        )
        for number, word in enumerate(words)
    ]
