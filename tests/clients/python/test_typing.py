"""An author's typing mistakes fail in ``mypy --strict``; correct code passes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ayes_client import Proposed
from ayes_client._typed.paging import pages
from ayes_client.errors import BadRequest
from ayes_client.state import Json
from scripts import client_types
from tests.clients.python.conftest import Connect, gathering
from tests.parts import ROOT
from tests.promises.scenes import BY_HAND, fresh

#: A line that is marked ``# wrong`` must fail, and no other one.
EXAMPLES = """
from datetime import timedelta

from ayes_client import Ack, Change, Client, Command, Room


async def right(client: Client, anything: str) -> None:
    made = await client.command("event.create", {"subject": "Lunch", "as": "organiser"})
    code: str = made.result["entrance_code"]
    room = await client.create_event("Lunch", policy={"ttl_seconds": 60}, id=code)
    await room.command("event.start")
    motion = await room.propose.assumption("We have an hour")
    ack = await room.vote(motion, "agree", not_after=60)
    status: str = ack.result["status"]
    old: Ack = await client.send(Command(type=anything, args={"of": status}))
    async for event in client.paged("events.list"):
        print(event["subject"], old)
    async for member in room.paged("members.list", {"limit": 10}):
        print(member["id"], member["name"])
    answer = await room.query("ballot.receipt")
    print(answer["salt"])
    room.on("change", lambda change: print(change.seq))
    room.on("decided", lambda found: print(found.outcome.carried))
    await room.until(lambda room: room.state["counts"].get("ballots") == 2)
    soon = timedelta(minutes=30)
    async for same in room.every(soon, until=lambda room: room.tally(motion).outcome):
        print(same.tally(motion).agree)


def patches(change: Change) -> None: ...


async def mistyped(client: Client, room: Room) -> None:
    await client.command("event.craete", {"subject": "Lunch"})  # wrong
    await client.command("event.create", {"subjct": "Lunch"})  # wrong
    await client.command("event.create", {"subject": 1})  # wrong
    await client.command("event.create", {"subject": "x", "policy": {"quorum": 1}})  # wrong
    await client.command("event.start", {})  # wrong
    await room.command("vote.cast", {"proposal": "p"})  # wrong
    await room.command("vote.cast", {"proposal": "p", "revision": 1, "stance": "no"})  # wrong
    await room.command("event.start", {"event": "e"})  # wrong
    (await room.vote("p")).result["stats"]  # wrong
    await room.vote("p", "yes")  # wrong
    await room.vote("p", idd="x")  # wrong
    await client.query("members.lst", {"event": "e"})  # wrong
    await client.query("members.list", {})  # wrong
    (await room.query("members.list"))["membrs"]  # wrong
    room.paged("events.list")  # wrong
    await room.propose("motion", "x")  # wrong
    room.on("chnage", print)  # wrong
    room.on("decided", patches)  # wrong
    client.on("stauts", print)  # wrong
    print(room.tally("p").agreed)  # wrong
    await client.create_event("Lunch", option=["Market"])  # wrong
"""


def test_a_misspelt_command_or_argument_fails_mypy_strict(tmp_path: Path) -> None:
    example = tmp_path / "example.py"
    example.write_text(EXAMPLES)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--no-error-summary"]
    ran = subprocess.run(
        [*command, "--config-file", "", str(example)],
        cwd=tmp_path,
        env={"MYPYPATH": str(ROOT / "clients" / "python"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert not ran.stderr
    failed = {int(line) for line in re.findall(r"^\S*example.py:(\d+): error", ran.stdout, re.M)}
    lines = EXAMPLES.splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if line.endswith("# wrong")}
    assert failed == wrong, ran.stdout


def test_the_types_and_words_are_the_servers() -> None:
    assert client_types.main(["--check"]) == 0


async def test_create_event_enters_the_room_and_proposals_have_names(connect: Connect) -> None:
    client = await connect()
    fields: Any = {
        "options": ["Market"],
        "policy": {**BY_HAND, "membership_auto": True},
        "id": f"{fresh('made')}-event",
    }
    room = await client.create_event("Lunch", **fields)
    assert room.state["event"]["subject"] == "Lunch"
    assert await client.create_event("Lunch", **fields) is room
    await room.start()
    motion = await room.propose.assumption("We have an hour", reason="It was said")
    assert isinstance(motion, Proposed)
    assert motion.status == "pending"
    assert room.state["proposals"][motion]["content"] == "We have an hour"
    await room.approve(await room.propose.criterion("Near"))
    [criterion] = await room.until(lambda room: room.state["criteria"])
    conclusion = await room.propose.conclusion(criterion, "The market is")
    assert room.state["proposals"][conclusion]["target"] == criterion
    with pytest.raises(BadRequest):
        await room.propose("assumption")
    guest = await connect(fresh("guest"))
    joined = await guest.join(room.state["event"]["entrance_code"])
    assert joined.event == room.event
    added = fresh("added")
    await room.add_members([added, (fresh("other"), "Other")])
    assert added in [member["id"] async for member in room.paged("members.list")]
    assert room.event in [event["id"] async for event in client.paged("events.list", {"limit": 1})]
    done = await room.finish()
    await room.reached(done.seq)
    assert room.state["results"]["ballots"] == 0


async def test_pages_follow_each_other_to_the_end() -> None:
    asked: list[Json] = []

    async def ask(question: Json) -> Json:
        asked.append(question)
        at = question.get("before", 0)
        more = {"next": at + 2} if at < 4 else {}
        return {"type": "members", "members": [at, at + 1], **more}

    found = [entry async for entry in pages(ask, {"type": "members.list", "event": "e"})]
    assert found == [0, 1, 2, 3, 4, 5]
    assert [question.get("before") for question in asked] == [None, 2, 4]


async def test_a_rooms_answers_are_typed_as_they_come(connect: Connect) -> None:
    room = await gathering(await connect())
    page = await room.query("members.list", {"limit": 1})
    assert page["event"] == room.event
    assert page["members"][0]["role"] == "admin"
