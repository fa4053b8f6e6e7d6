"""The examples of the documentation run as programs and do what it says."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ayes_client import Room
from ayes_client._wire.merge_patch import fold
from tests.clients.programs import Program, start_program
from tests.clients.python import importing
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.clients.python.waiting import PATIENCE, eventually
from tests.parts import ROOT
from tests.promises.running import Running, token
from tests.promises.scenes import fresh

EXAMPLES = ROOT / "clients" / "python" / "examples"


@asynccontextmanager
async def program(
    name: str, url: str, user: str, *arguments: str, **environment: str
) -> AsyncIterator[Program]:
    """A running example, which a SIGINT ends as a user's Ctrl-C does."""
    given = {"AYES_URL": url, "AYES_TOKEN": token(user), **environment}
    child = await start_program(
        *(str(EXAMPLES / name), *arguments),
        env=os.environ | given,
        # A snapshot is one line.
        limit=16 * 1024 * 1024,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            await child.communicate()


async def bot_in(connect: Connect) -> tuple[Room, str]:
    """An event that an admin leads, and a member whose bot can vote in it."""
    room = await gathering(await connect())
    user = fresh("bot")
    member = await connect(user)
    await member.command("membership.join", {"code": room.state["event"]["entrance_code"]})
    await member.stop()
    return room, user


def agree(room: Room, id: str) -> int:
    count: int = room.state["proposals"][id]["agree"]
    return count


def test_the_ten_lines_are_ten() -> None:
    lines = (EXAMPLES / "ten_lines.py").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 10


async def test_the_ten_lines_vote_for_everything(server: Running, connect: Connect) -> None:
    room, user = await bot_in(connect)
    first = await proposal(room, "It was there before")
    async with program("ten_lines.py", server.url, user, AYES_EVENT=room.event):
        await eventually(lambda: agree(room, first) == 1)
        second = await proposal(room, "It came later")
        await eventually(lambda: agree(room, second) == 1)


async def test_the_bot_votes_by_its_rule_alone_and_once(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    room, user = await bot_in(connect)
    liked = await proposal(room, "It will RAIN today")
    other = await proposal(room, "The sun shines")
    asked = (room.event, "rain", "--outbox", str(tmp_path / "outbox"))
    async with program("vote_by_rule.py", server.url, user, *asked):
        await eventually(lambda: agree(room, liked) == 1)
    async with program("vote_by_rule.py", server.url, user, *asked) as child:
        assert await child.stdout.readline() == f"{liked}: 1 of 2\n".encode()
        later = await proposal(room, "rainy days")
        await eventually(lambda: agree(room, later) == 1)
        await room.command("event.finish")
        async with asyncio.timeout(PATIENCE):
            assert await child.wait() == 0
    assert agree(room, other) == 0


async def test_the_mirror_shows_what_the_room_is(server: Running, connect: Connect) -> None:
    room, user = await bot_in(connect)
    async with program("mirror.py", server.url, user, room.event) as child:
        line: dict[str, Any] = json.loads(await child.stdout.readline())
        mirrored = line["state"]
        wanted = await proposal(room)
        await room.reached((await room.vote(wanted)).seq)
        async with asyncio.timeout(PATIENCE):
            while line["seq"] < room.seq:
                line = json.loads(await child.stdout.readline())
                mirrored = fold(mirrored, line["patch"])
    assert mirrored["proposals"] == room.state["proposals"]


async def test_an_import_killed_twice_counts_each_vote_once(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    """500 votes here; ``python -m tests.clients.python.importing`` imports 10,000."""
    admin = await connect()
    work = await importing.prepare(admin, tmp_path, users=10, proposals=50)
    before = work.room.seq
    killed = [
        await importing.kill_at(work, server.url, before + work.size * part // 3) for part in (1, 2)
    ]
    assert killed[0] < killed[1] < work.size
    said = await importing.finish(work, server.url)
    assert said.startswith("500 votes: ")
    await importing.each_once(work, before)
    assert await importing.finish(work, server.url) == "500 votes: 500 counted before"


async def test_an_import_lists_what_was_refused(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    work = await importing.prepare(await connect(), tmp_path, users=2, proposals=2)
    await work.room.approve(work.proposals[0])
    bot = await importing.begin(work, server.url)
    async with asyncio.timeout(PATIENCE):
        said, errors = await bot.communicate()
    assert bot.returncode == 3
    assert said.decode().strip() == "4 votes: 2 counted, 2 refused"
    assert errors.decode().count("proposal_closed") == 2


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_needs_only_the_client(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    for package in ("protocol", "server", "handlers", "persistence", "tests"):
        assert f"import {package}" not in text
        assert f"from {package}" not in text


def code_lines(name: str) -> int:
    """Lines of an example that are neither empty nor comments."""
    lines = (EXAMPLES / name).read_text().splitlines()
    return len([line for line in lines if line.strip() and not line.strip().startswith("#")])


def test_the_bot_and_the_shell_script_are_half_of_what_they_were() -> None:
    """Written against the first API, the examples had 191 and 29 lines."""
    assert code_lines("weekly.py") <= 191 // 2
    assert code_lines("motion.sh") <= 29 // 2


async def test_the_weekly_bot_decides_once_however_often_it_runs(
    server: Running, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    users = [fresh("ada"), fresh("bob")]
    people = "".join(f"{user},{user.title()}\n" for user in users)
    Path("people.csv").write_text("user,name\n" + people)
    Path("plan.yaml").write_text(
        "subject: Team week\nmotions: [Tea, Coffee]\npercent: 60\nhours: 1\nremind_minutes: 0.002\n"
    )
    week, bot = fresh("2026-W48"), fresh("bot")
    arguments = ("plan.yaml", "people.csv", week)
    async with program("weekly.py", server.url, bot, *arguments) as child:
        async with asyncio.timeout(PATIENCE):
            said = (await child.stdout.readline()).decode()
            assert re.match(rf"{re.escape(server.url)}/#/e/\S+ waits for votes, 1 hours", said)
            assert b"of 2 needed" in await child.stdout.readline()
        child.kill()
        await child.wait()
    async with program("weekly.py", server.url, bot, *arguments) as child:
        async with asyncio.timeout(PATIENCE):
            await child.stdout.readline()
        for user in users:
            client = await connect(user)
            [event] = [found["id"] async for found in client.paged("events.list")]
            room = await client.subscribe(event)
            motions = {shown["content"]: id for id, shown in room.state["proposals"].items()}
            assert sorted(motions) == ["Coffee", "Tea"]
            await room.vote(motions["Tea"])
        led = await connect(bot)
        await (await led.subscribe(event)).reject(motions["Coffee"])
        async with asyncio.timeout(PATIENCE):
            await child.communicate()
        assert child.returncode == 0
    written = Path(f"{week}.md").read_text()
    assert "| Tea | carried | 2 of 2 |" in written
    assert "| Coffee | not carried (admin) | 0 of 2 |" in written


@pytest.mark.skipif(shutil.which("jq") is None, reason="the script reads JSON with jq")
async def test_the_shell_script_ends_with_what_became_of_its_motion(
    server: Running, connect: Connect, tmp_path: Path
) -> None:
    bot = fresh("bot")
    roll = tmp_path / "people.csv"
    roll.write_text("name\nAda\n")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    given = {"AYES_URL": server.url, "AYES_TOKEN": token(bot), "PATH": path}
    child = await asyncio.create_subprocess_exec(
        *(str(EXAMPLES / "motion.sh"), "Deploy 1.2 on Friday", str(roll), "600"),
        env=os.environ | given,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert child.stdout is not None
    async with asyncio.timeout(4 * PATIENCE):
        await child.stdout.readline()
        link = (await child.stdout.readline()).decode().split(",")[2]
        ada = await connect(fresh("ada"))
        room = await ada.join(invitation=link.rpartition("/")[2])
        motion = await room.until(lambda room: next(iter(room.state["proposals"]), None))
        assert motion is not None
        await room.vote(motion)
        await child.communicate()
    assert child.returncode == 0
