"""Waiting commands can be listed and taken back, after a restart too; failing outboxes."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from ayes_client import Client, FileOutbox, Kept
from ayes_client.errors import NotSent, OutboxError, Stopped, TakenBack, Unanswered
from tests.clients.line import Line, line_to
from tests.clients.python.conftest import Connect, client_of, gathering, proposal
from tests.clients.python.outboxes import commands, opened
from tests.clients.python.waiting import eventually, status, until
from tests.promises.running import Running
from tests.promises.scenes import fresh


class Failing(FileOutbox):
    """An outbox whose writes fail while ``fails``."""

    fails = False

    def write(self, put: Sequence[Kept], done: Sequence[str]) -> None:
        if self.fails:
            raise OutboxError("not now")
        super().write(put, done)


async def test_what_never_left_is_called_so_and_taken_back_after_a_restart_too(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    user = fresh("ada")
    async with line_to(server.port) as line:
        first: Client = await connect(user, url=line.url, outbox=tmp_path / "o")
        room = await gathering(first)
        wanted = await proposal(room)
        line.break_down()
        await status(first, "waiting")
        voting = [
            asyncio.create_task(room.vote(wanted, id=f"waiting-{number}")) for number in range(3)
        ]
        await until(first, "pending", lambda: len(first.waiting()) == 3)
        await eventually(lambda: all(pending.kept for pending in first.waiting()))
        assert [(p.id, p.event, p.sent) for p in first.waiting()] == [
            (f"waiting-{number}", room.event, False) for number in range(3)
        ]
        assert await first.take_back("waiting-0")
        with pytest.raises(TakenBack) as caught:
            await voting[0]
        assert caught.value.effect == "none"
        assert not await first.take_back("waiting-0")
        await first.stop()
        await asyncio.gather(*voting, return_exceptions=True)
        again = client_of(line.url, user, outbox=tmp_path / "o")
        again.start()
        assert [(p.id, p.sent) for p in await again.loaded()] == [
            ("waiting-1", False),
            ("waiting-2", False),
        ]
        assert await again.take_back("waiting-1")
        await again.stop()
    with opened(tmp_path / "o") as (_, found):
        assert [kept.command.id for kept in found] == ["waiting-2"]


async def test_what_may_have_arrived_is_called_sent_and_cannot_be_taken_back(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    user = fresh("ada")
    async with line_to(server.port) as line:
        first: Client = await connect(user, url=line.url, outbox=tmp_path / "o")
        room = await gathering(first)
        wanted = await proposal(room)
        line.deaf = True
        voting = asyncio.create_task(room.vote(wanted, id="may-have-arrived"))
        await until(first, "pending", lambda: len(first.waiting()) == 1)
        await eventually(lambda: first.waiting()[0].sent)
        assert not await first.take_back("may-have-arrived")
        await first.stop()
        with pytest.raises(Stopped):
            await voting
        again = client_of(line.url, user, outbox=tmp_path / "o")
        line.break_down()
        again.start()
        [left] = await again.loaded()
        assert (left.id, left.sent) == ("may-have-arrived", True)
        assert not await again.take_back("may-have-arrived")
        line.mend()
        adopted = again.adopt("may-have-arrived")
        assert adopted is not None
        assert (await adopted).result["agree"] == 1
        await again.stop()


async def test_what_the_outbox_cannot_forget_is_not_called_taken_back(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    """The next run would find the command there, and send it."""
    outbox = Failing(tmp_path / "o")
    async with line_to(server.port) as line:
        client: Client = await connect(url=line.url, outbox=outbox)
        room = await gathering(client)
        line.break_down()
        await status(client, "waiting")
        kept = asyncio.create_task(room.propose("assumption", "kept", id="kept-one"))
        await eventually(lambda: any(pending.kept for pending in client.waiting()))
        outbox.fails = True
        unkept = asyncio.create_task(room.propose("assumption", "unkept", id="unkept-one"))
        await until(client, "pending", lambda: len(client.waiting()) == 2)
        assert not await client.take_back("kept-one")
        assert not await client.take_back("unkept-one")
        with pytest.raises(OutboxError) as caught:
            await kept
        assert (caught.value.effect, caught.value.id) == ("unknown", "kept-one")
        with pytest.raises(OutboxError):
            await unkept
        outbox.fails = False
        given = asyncio.create_task(room.propose("assumption", "later", id="later-one"))
        await until(client, "pending", lambda: bool(client.waiting()))
        assert await client.take_back("later-one")
        with pytest.raises(TakenBack):
            await given
        await client.stop()
    with opened(tmp_path / "o") as (_, found):
        assert found == []


async def test_what_another_user_left_is_neither_listed_nor_taken_back(
    server: Running, tmp_path: Path
) -> None:
    with opened(tmp_path / "o") as (outbox, _):
        [kept] = commands(1)
        outbox.write([Kept(kept.command, kept.since, "eve", sent=False)], [])
    async with line_to(server.port) as line:
        line.break_down()
        client = client_of(line.url, fresh("ada"), outbox=tmp_path / "o")
        client.start()
        await status(client, "waiting")
        assert client.waiting() == []
        assert not await client.take_back(kept.command.id)
        await client.stop()
    with opened(tmp_path / "o") as (_, found):
        assert [kept.user for kept in found] == ["eve"]


# Commands that no later connection sends.


async def test_a_command_of_once_is_not_sent_by_a_later_connection(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    async with line_to(server.port) as line:
        client: Client = await connect(url=line.url, outbox=tmp_path / "o")
        room = await gathering(client)
        line.break_down()
        await status(client, "waiting")
        with pytest.raises(NotSent) as caught:
            await room.command("event.finish", once=True)
        assert caught.value.effect == "none"
        line.mend()
        await status(client, "open")
        await room.reached(room.seq)
        assert room.state["event"]["status"] == "in_progress"
        assert (await room.command("event.pause", once=True)).applied
    with opened(tmp_path / "p") as (_, found):
        assert found == []


async def test_a_command_of_once_that_arrived_is_found_and_not_sent_again(
    server: Running, connect: Connect, line_of: Line
) -> None:
    client: Client = await connect(url=line_of.url, answer_timeout=60)
    room = await gathering(client)
    line_of.deaf = True
    finishing = asyncio.create_task(room.command("event.finish", id="finish-once", once=True))
    watcher: Client = await connect(client.user.id if client.user else None)
    seen = await watcher.subscribe(room.event)
    await eventually(lambda: seen.state["event"]["status"] == "finished")
    line_of.cut()
    ack = await finishing
    assert (ack.id, ack.applied) == ("finish-once", True)


async def test_a_command_of_once_whose_effect_nobody_knows_says_so(
    server: Running, connect: Connect, line_of: Line
) -> None:
    client: Client = await connect(url=line_of.url)
    room = await gathering(client)
    held = asyncio.Event()
    commands = client._commands
    take = commands.take

    def lost(now: float, *, most: int, most_bytes: int) -> list[object]:
        taken = take(now, most=most, most_bytes=most_bytes)
        if taken:
            # The commands seem to be lost with the socket.
            held.set()
        return []

    commands.take = lost  # type: ignore[method-assign, assignment]
    pausing = asyncio.create_task(room.command("event.pause", id="pause-once", once=True))
    await held.wait()
    line_of.cut()
    with pytest.raises(Unanswered) as caught:
        await pausing
    assert caught.value.effect == "unknown"


@pytest.fixture
async def line_of(server: Running):  # type: ignore[no-untyped-def]
    async with line_to(server.port) as line:
        yield line


# An outbox that worked, and then fails.


def test_an_outbox_whose_handle_died_is_opened_again(tmp_path: Path) -> None:
    first, second = commands(2)
    with opened(tmp_path / "o") as (outbox, _):
        outbox.write([first], [])
        assert outbox._file is not None
        os.close(outbox._file.fileno())
        outbox.write([second], [])
    with opened(tmp_path / "o") as (_, found):
        assert found == [first, second]


@pytest.mark.parametrize("harm", ["removed", "emptied"])
def test_an_outbox_whose_file_was_taken_away_is_written_again(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "o"
    first, second, third = commands(3)
    with opened(path) as (outbox, _):
        outbox.write([first, second], [first.command.id])
        if harm == "removed":
            path.unlink()
        else:
            shutil.move(path, tmp_path / "elsewhere")
            path.touch()
        outbox.write([third], [])
    with opened(path) as (_, found):
        assert found == [second, third]


async def test_a_disk_that_is_full_for_a_moment_fails_no_command(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Client = await connect(outbox=tmp_path / "o")
    sync, fails = os.fsync, iter([True, True, True])

    def full_at_first(descriptor: int) -> None:
        if next(fails, False):
            raise OSError(28, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full_at_first)
    assert (await client.command("event.create", {"subject": "Lunch"})).applied


async def test_what_was_answered_while_the_outbox_failed_is_forgotten_later(
    connect: Connect, tmp_path: Path
) -> None:
    outbox = Failing(tmp_path / "o")
    client: Client = await connect(outbox=outbox)
    original = client._commands.on_ack

    def failing_from_here(message: dict[str, object]) -> None:
        outbox.fails = True
        original(message)

    client._commands.on_ack = failing_from_here  # type: ignore[method-assign]
    await client.command("event.create", {"subject": "Lunch"})
    with pytest.raises(OutboxError):
        await client.command("event.create", {"subject": "Dinner"})
    outbox.fails = False
    client._commands.on_ack = original  # type: ignore[method-assign]
    await client.command("event.create", {"subject": "Supper"})
    await client.stop()
    with opened(tmp_path / "o") as (_, found):
        assert found == []
