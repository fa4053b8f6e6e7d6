"""The outbox: its commands survive the bot, and are sent again under their own ids."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from ayes_client import Client, FileOutbox, Kept
from ayes_client._connection.tokens import Token
from ayes_client._pending.entry import Entry
from ayes_client.errors import OutboxError, Stopped
from tests.clients.line import line_to
from tests.clients.python.conftest import Connect, client_of, gathering, proposal
from tests.clients.python.outboxes import commands, full_disk, nowhere, opened
from tests.clients.python.waiting import PATIENCE, eventually, status, until
from tests.promises.running import ROOT, Running, token
from tests.promises.scenes import fresh


async def test_a_command_is_in_the_file_before_it_is_sent(connect: Connect, tmp_path: Path) -> None:
    order: list[str] = []

    class Watched(FileOutbox):
        def write(self, put: Sequence[Kept], done: Sequence[str]) -> None:
            super().write(put, done)
            order.extend(f"put {kept.command.id}" for kept in put)
            order.extend(f"done {id}" for id in done)

    client: Client = await connect(outbox=Watched(tmp_path / "o"))
    commands = client._commands
    take = commands.take

    def taking(now: float, *, most: int, most_bytes: int) -> list[Entry]:
        taken = take(now, most=most, most_bytes=most_bytes)
        order.extend(f"sent {entry.command.id}" for entry in taken)
        return taken

    commands.take = taking  # type: ignore[method-assign, assignment]
    await client.command("event.create", {"subject": "Lunch"}, id="first-one")
    await client.stop()
    assert order == ["put first-one", "sent first-one", "done first-one"]


async def test_what_could_not_be_kept_is_not_sent_and_told(
    connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect(outbox=tmp_path / "o")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(OutboxError) as caught:
            await client.command("event.create", {"subject": "Lunch"})
    assert caught.value.effect == "none"
    assert (await client.command("event.create", {"subject": "Dinner"})).applied


async def test_an_outbox_of_ones_own_that_fails_by_its_own_error_fails_that_command_alone(
    connect: Connect, tmp_path: Path
) -> None:
    class Moody(FileOutbox):
        fails = True

        def write(self, put: Sequence[Kept], done: Sequence[str]) -> None:
            if self.fails:
                raise RuntimeError("not today")
            super().write(put, done)

    outbox = Moody(tmp_path / "o")
    client = await connect(outbox=outbox)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(OutboxError, match="not today"):
            await client.command("event.create", {"subject": "Lunch"})
        outbox.fails = False
        assert (await client.command("event.create", {"subject": "Dinner"})).applied


async def test_a_stopped_client_leaves_its_commands_to_the_next(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    user = fresh("ada")
    async with line_to(server.port) as line:
        first = await connect(user, url=line.url, outbox=tmp_path / "o")
        room = await gathering(first)
        wanted = await proposal(room)
        line.break_down()
        await status(first, "waiting")
        voting = asyncio.create_task(room.vote(wanted, id="kept-vote"))
        await until(first, "pending", lambda: len(first.pending) == 1)
        await first.stop()
        with pytest.raises(Stopped):
            await voting
        second = client_of(server.url, user, outbox=tmp_path / "o")
        second.start()
        assert [(p.id, p.sent) for p in await second.loaded()] == [("kept-vote", False)]
        adopted = second.adopt("kept-vote")
        assert adopted is not None
        assert (await adopted).result["agree"] == 1
        await second.stop()


async def test_a_client_stopped_at_once_holds_no_outbox(server: Running, tmp_path: Path) -> None:
    for _ in range(20):
        client = client_of(server.url, "hasty", outbox=tmp_path / "o")
        client.start()
        await asyncio.sleep(0)
        await client.stop()
    with opened(tmp_path / "o") as (_, found):
        assert found == []


async def test_another_users_commands_wait_for_them(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    user = fresh("ada")
    async with line_to(server.port) as line:
        first = await connect(user, url=line.url, outbox=tmp_path / "o")
        line.break_down()
        await status(first, "waiting")
        making = asyncio.create_task(
            first.command("event.create", {"subject": "Hers"}, id="hers-alone")
        )
        await until(first, "pending", lambda: len(first.pending) == 1)
        await first.stop()
        with pytest.raises(Stopped):
            await making
    second = await connect(outbox=tmp_path / "o")
    assert second.pending == []
    assert (await second.query("events.list"))["events"] == []
    await second.stop()
    third = await connect(user, outbox=tmp_path / "o")
    await until(third, "pending", lambda: third.pending == [])
    [made] = (await third.query("events.list"))["events"]
    assert made["subject"] == "Hers"


async def test_a_command_given_before_the_first_welcome_belongs_to_its_token(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    """This holds for tokens from a function too, and if the server was never reached."""
    user = fresh("ada")
    given_as: list[Token] = [token(user), lambda: token(user), _later(user)]
    for number, given in enumerate(given_as):
        away = Client(nowhere(), given, outbox=tmp_path / "o", backoff=(0.02, 0.1))
        away.start()
        command = away.command("event.create", {"subject": f"Hers {number}"})
        making = asyncio.create_task(command)
        await _written(tmp_path / "o", f"Hers {number}")
        await away.stop()
        with pytest.raises(Stopped):
            await making
    other = await connect(outbox=tmp_path / "o")
    assert (await other.query("events.list"))["events"] == []
    await other.stop()
    hers = await connect(user, outbox=tmp_path / "o")
    await until(hers, "pending", lambda: hers.pending == [])
    made = (await hers.query("events.list"))["events"]
    assert {event["subject"] for event in made} == {"Hers 0", "Hers 1", "Hers 2"}


async def test_a_command_given_before_there_is_a_token_is_never_kept_for_another(
    tmp_path: Path,
) -> None:
    """Nobody can know its user, so the command stays in its client alone."""

    def none() -> str:
        raise RuntimeError("the issuer is away")

    away = Client(nowhere(), none, outbox=tmp_path / "o", backoff=(0.02, 0.1))
    away.start()
    making = asyncio.create_task(away.command("event.create", {"subject": "Whose?"}))
    await until(away, "pending", lambda: len(away.pending) == 1)
    await status(away, "waiting")
    await away.stop()
    with pytest.raises(Stopped):
        await making
    with opened(tmp_path / "o") as (_, found):
        assert found == []


async def test_a_token_that_names_no_user_is_told_from_others(tmp_path: Path) -> None:
    for number, given in enumerate(("opaque-1", "opaque-2", "opaque-1")):
        away = Client(nowhere(), given, outbox=tmp_path / "o", backoff=(0.02, 0.1))
        away.start()
        making = asyncio.create_task(away.command("event.create", {"subject": f"No. {number}"}))
        await _written(tmp_path / "o", f"No. {number}")
        await away.stop()
        with pytest.raises(Stopped):
            await making
    with opened(tmp_path / "o") as (_, found):
        assert found[0].user == found[2].user != found[1].user
        assert not any("opaque" in str(kept.user) for kept in found)


async def test_an_entry_without_a_user_is_sent_by_nobody_and_stays(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Earlier versions wrote such entries."""
    [nobodys] = commands(1)
    with opened(tmp_path / "o") as (outbox, _):
        outbox.write([nobodys], [])
    client = await connect(outbox=tmp_path / "o")
    assert await client.loaded() == []
    assert client.pending == []
    await client.stop()
    assert any("unknown user" in message for message in caplog.messages)
    with opened(tmp_path / "o") as (_, found):
        assert found == [nobodys]


async def _written(path: Path, word: str) -> None:
    await eventually(lambda: path.exists() and word in path.read_text())


def _later(user: str) -> Callable[[], Awaitable[str]]:
    async def make() -> str:
        await asyncio.sleep(0)
        return token(user)

    return make


BOT = """
import asyncio, sys
from ayes_client import Client

async def main() -> None:
    url, token, outbox, event, proposal = sys.argv[1:]
    async with Client(url, token, outbox=outbox, backoff=(0.02, 0.1)) as client:
        for found in await client.loaded():
            future = client.adopt(found.id)
            if future is not None:
                print("adopted", (await future).replayed, flush=True)
        room = await client.subscribe(event)
        print("voting", flush=True)
        ack = await room.vote(proposal)
        print("voted", ack.replayed, ack.result["agree"], flush=True)

asyncio.run(main())
"""


async def test_a_bot_killed_between_its_vote_and_the_answer_has_voted_once(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    admin = await connect()
    room = await gathering(admin)
    wanted = await proposal(room)
    user = fresh("bot")
    newcomer = await connect(user)
    await newcomer.command("membership.join", {"code": room.state["event"]["entrance_code"]})

    async def bot(url: str) -> asyncio.subprocess.Process:
        arguments = (url, token(user), str(tmp_path / "o"), room.event, wanted)
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", BOT, *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )

    async with line_to(server.port) as line:
        first = await bot(line.url)
        assert first.stdout is not None
        assert await first.stdout.readline() == b"voting\n"
        line.deaf = True
        await eventually(lambda: room.state["proposals"][wanted]["agree"] == 1)
        first.send_signal(signal.SIGKILL)
        told, _ = await first.communicate()
    assert await first.wait() == -signal.SIGKILL
    if told:
        pytest.fail(f"the answer came before the line went deaf: {told!r}")
    second = await bot(server.url)
    async with asyncio.timeout(PATIENCE):
        told, _ = await second.communicate()
    assert told.decode().splitlines() == ["adopted True", "voting", "voted False 1"]
