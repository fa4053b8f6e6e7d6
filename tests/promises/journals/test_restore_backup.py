"""A real backup, restored by PostgreSQL's own programs, under two nodes with Redis."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from persistence.embedded.binaries import find_binaries
from server.bus.redis import RedisBus
from tests.parts import ROOT, execute, named
from tests.promises.client import Client, Room
from tests.promises.running import SECRET, Running, running
from tests.promises.scenes import Scene, gathering

#: Votes after the backup.
LOST = 3
PROGRAM_SECONDS = 30.0


async def run(*command: str, **environment: str) -> str:
    """Run a program to its end; return its output. The test fails with it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PROGRAM_SECONDS):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def ayes(url: str, *command: str) -> str:
    """Run a command of ``ayes`` on the database."""
    return await run(
        *(sys.executable, "-m", "server.cli", *command),
        AYES_DATABASE_URL=url,
        AYES_AUTH_SECRET=SECRET,
    )


class Backup:
    """A copy of a database by ``pg_dump``, which ``pg_restore`` restores."""

    def __init__(self, url: str, file: Path) -> None:
        self.url = url
        self.file = file
        self._programs = find_binaries(None)

    async def take(self) -> None:
        """Back up a database in use."""
        program = self._programs.program("pg_dump")
        await run(program, "--format=custom", f"--file={self.file}", self.url)

    async def restore(self) -> None:
        """Replace the database by the backup, and end its connections.

        The nodes run on: they would find a database that is restored in place empty at first.
        """
        name = urlsplit(self.url).path.removeprefix("/")
        postgres, restored = named(self.url, "postgres"), f"{name}_restored"
        await asyncio.to_thread(execute, postgres, f"CREATE DATABASE {restored}")
        program = self._programs.program("pg_restore")
        await run(program, "--no-owner", f"--dbname={named(self.url, restored)}", str(self.file))
        await asyncio.to_thread(
            execute,
            postgres,
            f"DROP DATABASE {name} WITH (FORCE)",
            f"ALTER DATABASE {restored} RENAME TO {name}",
        )


@asynccontextmanager
async def two(url: str, redis: str) -> AsyncIterator[tuple[Running, Running]]:
    """Two nodes."""
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(running(url, bus=RedisBus(redis, "test")))
            for _ in range(2)
        ]
        yield one, other


async def voted(one: Running, other: Running, backup: Backup) -> tuple[Scene, list[Any], Room]:
    """An event that is backed up, then voted on; the acks that the backup lacks."""
    scene = await gathering(one, LOST)
    proposal = await scene.propose()
    watcher = await other.connect(scene.members[0].user)
    room = await watcher.subscribe(scene.event)
    await scene.watch(*scene.members)
    await backup.take()
    acks = [
        await member.ack(
            "vote.cast", id=f"lost-vote-{number}", event=scene.event, proposal=proposal, revision=1
        )
        for number, member in enumerate(scene.members)
    ]
    await room.reached(acks[-1]["seq"])
    assert room.state["proposals"][proposal]["agree"] == LOST
    return scene, acks, room


async def told_ahead(client: Client, event: str) -> Room:
    """Wait for the notice to ``client`` that it knew more than the database."""
    room = client.rooms[event]
    await client.until(lambda: room.starts[-1].get("reason") == "ahead", "a snapshot: ahead")
    return room


async def comes_back(node: Running, client: Client, room: Room) -> Room:
    """Resume from the position of ``room``, as a client does with a new socket."""
    again = await node.connect(client.user)
    again.adopt(room)
    return await again.resume(room.event)


async def test_restored_under_running_nodes_everyone_is_told_ahead_and_an_alarm_is_logged(
    database_url: str, redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backup = Backup(database_url, tmp_path / "ayes.dump")
    async with two(database_url, redis_url) as (one, other):
        scene, acks, room = await voted(one, other, backup)
        before = acks[-1]["seq"]
        with caplog.at_level(logging.CRITICAL):
            await backup.restore()
            # Sockets on both nodes: each gets its own notice that shown steps are gone.
            for client in (room.client, *scene.members):
                mine = await told_ahead(client, scene.event)
                assert mine.seq == before - LOST
                assert [p["agree"] for p in mine.state["proposals"].values()] == [0]
        assert sum("committed data was lost" in r.message for r in caplog.records) >= 2
        caplog.clear()
        # The journal continues from the database's state: the same ids are new commands.
        (proposal,) = room.state["proposals"]
        for number, member in enumerate(scene.members):
            ack = await member.ack(
                "vote.cast",
                id=f"lost-vote-{number}",
                event=scene.event,
                proposal=proposal,
                revision=1,
            )
            assert ack["replayed"] is False
        await room.reached(ack["seq"])
        assert room.state["proposals"][proposal]["agree"] == LOST
    await ayes(database_url, "verify", scene.event)


async def test_restored_with_a_new_epoch_nobody_resumes_across_it_on_any_node(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    backup = Backup(database_url, tmp_path / "ayes.dump")
    async with two(database_url, redis_url) as (one, other):
        scene, acks, room = await voted(one, other, backup)
    await backup.restore()
    assert "1 events have a new epoch" in await ayes(database_url, "new-epoch")
    async with two(database_url, redis_url) as (one, other):
        admin = await one.connect(scene.admin.user)
        # Others take the lost positions: without a new epoch, a client that returns at one of them
        # would resume.
        for number in range(LOST + 1):
            content = f"other words {number}"
            fields = {"kind": "assumption", "category": "create", "content": content}
            ack = await admin.ack("proposal.create", event=scene.event, **fields)
        assert ack["seq"] > acks[-1]["seq"]
        rooms = [
            await comes_back(node, client, room)
            for node in (one, other)
            for client in (room.client, *scene.members)
        ]
        assert {found.starts[-1]["reason"] for found in rooms} == {"epoch"}
        assert len({found.epoch for found in rooms}) == 1
        assert rooms[0].epoch != room.epoch
        assert all(found.state == rooms[0].state for found in rooms)
        assert len(rooms[0].state["proposals"]) == LOST + 2
        # A vote that was acknowledged and lost is "absent", and may be sent again.
        status = await rooms[0].client.ask("command.status", event=scene.event, ids=["lost-vote-0"])
        assert [found["state"] for found in status["commands"]] == ["absent"]
    await ayes(database_url, "verify", scene.event)
