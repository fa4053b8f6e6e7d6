"""A database restored from an older backup: no client keeps lost steps; each gets a notice."""

from __future__ import annotations

import asyncio
import logging
import secrets
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from persistence.database import tables
from persistence.journal import epochs
from persistence.queries import event_reads
from server.cli import deleting
from server.sessions.session import Session
from server.transport.stall_detector import StallDetector
from tests.fixtures.servers import Start
from tests.promises.client import Client, Room
from tests.promises.running import Running
from tests.promises.scenes import Scene, fresh, gathering

#: Takes all votes away.
NO_VOTES = (
    "DELETE FROM votes WHERE event_id = $1",
    "UPDATE proposals SET agree = 0, voters = 0 WHERE event_id = $1",
)


async def lose_the_last_step(url: str, event: str, *more: str, new_epoch: bool = False) -> None:
    """Change one event as a restore from a backup of a moment ago does.

    All of it is one transaction: a node may look at the database between any two.
    """
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        if new_epoch:
            await epochs._RENEW.run(connection, ids=[event], seed=secrets.token_hex(16))
        for statement in more:
            await connection.execute(statement, event)
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


async def restore_without_votes(server: Running, event: str) -> None:
    """A backup from before the last step, which was a vote: a new epoch, and no votes."""
    await lose_the_last_step(server.node.database.url, event, *NO_VOTES, new_epoch=True)


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
    await lose_the_last_step(migrated_url, scene.event, new_epoch=True)
    await starts_again(client, room, "epoch")
    assert room.epoch != epoch
    late = await server.connect(client.user)
    await late.subscribe(scene.event, epoch=epoch, seq=seq)
    assert late.rooms[scene.event].starts[-1]["reason"] == "epoch"
    # And it goes on from there.
    ack = await scene.admin.ack("event.pause", event=scene.event)
    await asyncio.gather(room.reached(ack["seq"]), late.rooms[scene.event].reached(ack["seq"]))


async def lose_the_event(url: str, event: str) -> None:
    """Change the tables as a restore from before the event was made does."""
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        for table in reversed(tables.metadata.sorted_tables):
            column = "id" if table is tables.events else "event_id"
            if column in table.columns:
                await connection.execute(f"DELETE FROM {table.name} WHERE {column} = $1", event)
    await connection.close()


async def test_an_event_that_is_gone_is_shown_to_nobody_until_it_is_made_again(
    server: Running, migrated_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A repeat of its ``event.create`` makes it again, under the same id, with another room."""
    admin = await server.connect(fresh("admin"))
    create: dict[str, Any] = {"id": admin.new_id(), "subject": "made twice"}
    made = await admin.ack("event.create", **create)
    event = made["result"]["event"]
    room = await admin.subscribe(event)
    epoch, seq = room.epoch, room.seq
    with caplog.at_level(logging.CRITICAL):
        await lose_the_event(migrated_url, event)
        await admin.until(lambda: room.ended is not None, "the room's end")
    assert any("committed data was lost" in record.message for record in caplog.records)
    caplog.clear()
    for known in ({}, {"epoch": epoch, "seq": seq}):
        error = await admin.request({"type": "subscribe", "event": event} | known)
        assert error["code"] == "not_found"
    started = await admin.send("event.start", event=event)
    assert started["code"] == "not_found"
    again = await admin.ack("event.create", **create)
    assert again["result"]["event"] == event
    assert not again["replayed"]
    late = await server.connect(admin.user)
    found = await late.subscribe(event, epoch=epoch, seq=seq)
    assert (found.starts[-1]["reason"], found.seq) == ("epoch", again["seq"])


async def epochs_in(connection: Any) -> dict[str, str]:
    rows = await connection.fetch("SELECT id, epoch FROM events")
    return {row["id"]: row["epoch"] for row in rows}


async def test_steps_read_after_a_new_epoch_are_not_shown_under_the_old_one(
    start: Start, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The top was read before a standby that was behind took over, and the steps after that."""
    here, elsewhere = await start(), await start()
    scene = await gathering(here, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    epoch, known, code = room.epoch, room.seq, room.state["event"]["entrance_code"]
    admin = await elsewhere.connect(scene.admin.user)
    read, taken_over = event_reads.steps, asyncio.Event()

    async def late(*asked: Any, **named: Any) -> Any:
        if named["after"] == known and not taken_over.is_set():
            taken_over.set()
            await lose_the_last_step(migrated_url, scene.event, new_epoch=True)
            await admin.ack("event.rotate_code", event=scene.event)
        return await read(*asked, **named)

    monkeypatch.setattr(event_reads, "steps", late)
    await admin.ack("event.pause", event=scene.event)
    await asyncio.wait_for(taken_over.wait(), 30)
    await starts_again(member, room, "epoch")
    await member.until(lambda: room.state["event"]["entrance_code"] != code, "another step")
    shown = [m for m in member.received if m["type"] == "diff" and m["epoch"] == epoch]
    assert [m for m in shown if m["seq"] > known] == []


async def test_all_events_get_a_new_epoch_however_many_there_are(
    server: Running, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.journal.epochs.MAX_EPOCH_ROWS", 2)
    for _ in range(5):
        await gathering(server)
    connection = await asyncpg.connect(migrated_url)
    try:
        before = await epochs_in(connection)
        assert await epochs.renew(server.node.database, None) == len(before) >= 5
        after = await epochs_in(connection)
    finally:
        await connection.close()
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert len(set(after.values())) == len(after)


async def test_you_of_a_slow_reader_does_not_show_a_vote_that_a_restore_lost(
    server: Running,
) -> None:
    """The ``you`` that waits for its slow reader is from before the restore."""
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    (member,) = scene.members
    (slow,) = server.node.connections.of(member.user)
    assert isinstance(slow, Session)
    room = await member.subscribe(scene.event)
    tab = await server.connect(member.user)
    # Its socket takes nothing until it is released, and is not closed for it.
    slow.transport._stall_detector = StallDetector(
        asyncio.get_running_loop(), 3_600.0, slow.transport
    )
    slow.transport.pause()
    ack = await scene.vote(tab, proposal)
    assert ack["type"] == "ack"
    subscription = slow.subscriptions[scene.event]
    assert subscription._own
    await restore_without_votes(server, scene.event)
    await server.node.rooms.sweeper.once()
    while subscription.live:
        await subscription.room.moves()
    slow.transport.resume()
    slow.writable()
    await starts_again(member, room, "epoch")
    assert room.you["votes"] == {}
    assert (await member.subscribe(scene.event)).you["votes"] == {}


async def test_you_that_was_read_before_a_restore_is_read_again(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restore comes while a large snapshot waits for the socket."""
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    (member,) = scene.members
    # It keeps the room on this node.
    other = await scene.admin.subscribe(scene.event)
    await scene.vote(member, proposal)
    (session,) = server.node.connections.of(member.user)
    assert isinstance(session, Session)
    waits, may_go_on = asyncio.Event(), asyncio.Event()

    async def until_writable() -> None:
        waits.set()
        await may_go_on.wait()

    monkeypatch.setattr(session._requests, "_until_writable", until_writable)
    subscribing = asyncio.create_task(member.subscribe(scene.event))
    await waits.wait()
    await restore_without_votes(server, scene.event)
    await server.node.rooms.sweeper.once()
    await starts_again(scene.admin, other, "epoch")
    may_go_on.set()
    room = await subscribing
    assert room.epoch == other.epoch
    assert room.you["votes"] == {}


async def test_you_that_is_older_than_a_restored_room_is_read_again(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The restore comes between the read of ``you`` and the check of the room's position."""
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    (member,) = scene.members
    other = await scene.admin.subscribe(scene.event)
    await scene.vote(member, proposal)
    rooms = server.node.rooms
    ask = rooms._views.load
    asked = 0

    async def asked_before(event: str, user: str) -> Any:
        nonlocal asked
        own = await ask(event, user)
        asked += user == member.user
        if user == member.user and asked == 1:
            await restore_without_votes(server, scene.event)
            await rooms.sweeper.once()
            await rooms.filler.fill_from_journal(rooms.by_event[event])
        return own

    monkeypatch.setattr(rooms._views, "load", asked_before)
    room = await member.subscribe(scene.event)
    assert asked > 1
    assert room.you["votes"] == {}
    await starts_again(scene.admin, other, "epoch")
    assert room.epoch == other.epoch


async def test_a_lane_does_not_go_on_from_what_a_restore_lost(
    server: Running, migrated_url: str
) -> None:
    """The same epoch and position, another history: the hash differs."""
    scene = await gathering(server, 1)
    lost = await scene.admin.ack("event.pause", event=scene.event)
    await lose_the_last_step(migrated_url, scene.event)
    connection = await asyncpg.connect(migrated_url)
    # Another node writes a different step in its place.
    await connection.execute(
        "UPDATE events SET seq = $2, hash = sha256('another') WHERE id = $1",
        scene.event,
        lost["seq"],
    )
    await connection.close()
    again = await scene.admin.ack("event.pause", event=scene.event)
    assert again["applied"]


async def test_an_event_that_is_deleted_while_its_restored_room_is_read_is_no_failure(
    server: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The deletion comes between the read of the position and the read of the view."""
    scene = await gathering(server, 1)
    room = await scene.admin.subscribe(scene.event)
    rooms, database = server.node.rooms, server.node.database
    read = rooms.filler._read

    async def deleted_before(event_room: Any) -> object:
        await deleting.delete(database, scene.event, tmp_path / "event.jsonl")
        monkeypatch.undo()
        return await read(event_room)

    monkeypatch.setattr(rooms.filler, "_read", deleted_before)
    await restore_without_votes(server, scene.event)
    await rooms.sweeper.once()
    assert await room.closed() == "revoked"
    assert not any(rooms.filler.failures.counts.values())
