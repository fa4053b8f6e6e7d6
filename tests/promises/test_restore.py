"""A database restored from an older backup: nobody goes on with what was lost, and it is told."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import asyncpg
import pytest

from persistence.epochs import renew
from tests.promises.client import Client, Room
from tests.promises.running import Running
from tests.promises.scenes import Scene, gathering


async def lose_the_last_step(url: str, event: str) -> None:
    """What a restore from a backup of a moment ago does to one event."""
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute(
            "DELETE FROM journal WHERE event_id = $1 AND seq = "
            "(SELECT seq FROM events WHERE id = $1)",
            event,
        )
        await connection.execute(
            "UPDATE events SET seq = seq - 1, status = 'in_progress', hash = (SELECT hash FROM "
            "journal WHERE event_id = $1 AND seq = events.seq - 1) WHERE id = $1",
            event,
        )
    await connection.close()


async def watching(server: Running) -> tuple[Scene, Client, Room]:
    scene = await gathering(server, 1)
    room = await scene.members[0].subscribe(scene.event)
    ack = await scene.admin.ack("event.pause", event=scene.event)
    await room.reached(ack["seq"])
    return scene, scene.members[0], room


async def starts_again(client: Client, room: Room, reason: str) -> None:
    """Wait for a snapshot of that reason."""
    await client.until(lambda: room.starts[-1].get("reason") == reason, f"a snapshot: {reason}")


async def test_a_client_ahead_of_the_database_is_told_and_an_alarm_is_logged(
    server: Running, migrated_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    scene, client, room = await watching(server)
    epoch, seq = room.epoch, room.seq
    with caplog.at_level(logging.CRITICAL):
        await lose_the_last_step(migrated_url, scene.event)
        await starts_again(client, room, "ahead")
        assert room.state["event"]["status"] == "in_progress"
        late = await server.connect(client.user)
        await late.subscribe(scene.event, epoch=epoch, seq=seq)
        assert late.rooms[scene.event].starts[-1]["reason"] == "ahead"
    assert any("committed data was lost" in record.message for record in caplog.records)
    caplog.clear()


async def test_a_new_epoch_reaches_everyone_and_nobody_resumes_across_it(
    server: Running, migrated_url: str
) -> None:
    scene, client, room = await watching(server)
    epoch, seq = room.epoch, room.seq
    await lose_the_last_step(migrated_url, scene.event)
    assert await renew(server.node.database, scene.event) == 1
    await starts_again(client, room, "epoch")
    assert room.epoch != epoch
    late = await server.connect(client.user)
    await late.subscribe(scene.event, epoch=epoch, seq=seq)
    assert late.rooms[scene.event].starts[-1]["reason"] == "epoch"
    # And it goes on from there.
    ack = await scene.admin.ack("event.pause", event=scene.event)
    await asyncio.gather(room.reached(ack["seq"]), late.rooms[scene.event].reached(ack["seq"]))


async def epochs(connection: Any) -> dict[str, str]:
    rows = await connection.fetch("SELECT id, epoch FROM events")
    return {row["id"]: row["epoch"] for row in rows}


async def test_all_events_get_a_new_epoch_however_many_there_are(
    server: Running, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.epochs.MOST_ROWS", 2)
    for _ in range(5):
        await gathering(server)
    connection = await asyncpg.connect(migrated_url)
    try:
        before = await epochs(connection)
        assert await renew(server.node.database, None) == len(before) >= 5
        after = await epochs(connection)
    finally:
        await connection.close()
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert len(set(after.values())) == len(after)
