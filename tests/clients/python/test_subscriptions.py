"""The rooms of a socket, if the server refuses one of them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from ayes_client._connection.subscriptions import RoomSubscriptions
from ayes_client._rooms.registry import RoomRegistry
from ayes_client._wire.backoff import MAX_INTERNAL_TRIES, Backoff
from ayes_client.client import Client
from ayes_client.errors import AyesError
from ayes_client.state import Json


async def test_a_room_that_meets_a_defect_of_the_server_is_not_asked_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[int] = []

    def drawn(self: Backoff) -> float:
        waits.append(self.attempts)
        self.attempts += 1
        return 0

    monkeypatch.setattr(Backoff, "next", drawn)
    registry = RoomRegistry(Backoff)
    room = registry.add("e1", cast(Client, None))
    said: asyncio.Queue[Json] = asyncio.Queue()
    subscriptions = RoomSubscriptions(registry, said.put_nowait, lambda: None)
    subscriptions.subscribe(room)
    refusal: dict[str, Any] = {"code": "internal", "effect": "unknown", "retry": "same"}
    for _ in range(MAX_INTERNAL_TRIES):
        asked = await asyncio.wait_for(said.get(), 30)
        assert subscriptions.on_error(
            {"type": "error", "ref": asked["ref"], "message": "", **refusal}
        )
    with pytest.raises(AyesError, match="defect of the server"):
        await room.entered
    assert (registry.rooms, registry.views, said.empty()) == ({}, {}, True)
    # Each wait is drawn from a longer range than the one before.
    assert waits == list(range(MAX_INTERNAL_TRIES - 1))
