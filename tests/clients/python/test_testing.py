"""The helpers for authors' own tests: a real server, and a room that is set by hand."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ayes_client.command import Pending
from ayes_client.errors import ProposalClosed, RoomClosed
from ayes_client.testing import Ayes, AyesServer, FakeRoom, NoServer, plugin
from server import test_clock
from tests.clients.python.waiting import SECONDS
from tests.parts import ROOT


@pytest.fixture(scope="module")
def ayes_server() -> Iterator[AyesServer]:
    yield from plugin.ayes_server.__wrapped__()  # type: ignore[attr-defined]


@pytest.fixture
async def ayes(ayes_server: AyesServer) -> AsyncIterator[Ayes]:
    found = Ayes(ayes_server)
    yield found
    await found.close()


# The first test makes a database.
@pytest.mark.timeout(200)
async def test_a_whole_decision_on_a_real_server(ayes: Ayes) -> None:
    room = await ayes.decision(
        members=["ada", "bob"], policy={"assumption": {"rule": "percent", "threshold": 60}}
    )
    motion = await room.propose.assumption("Tea")
    began = time.monotonic()
    await ayes.vote(room, motion, "ada", "bob")
    outcome = await room.decided(motion, timeout=SECONDS)
    assert (outcome.carried, outcome.agree, outcome.eligible) == (True, 2, 2)
    assert time.monotonic() - began < SECONDS
    theirs = await ayes.room(room, "ada")
    assert theirs.you["votes"] == {motion: 1}
    assert (await ayes.client("ada")).user == ("ada", "Ada")


@pytest.mark.timeout(200)
async def test_a_test_moves_the_clock_past_a_deadline(ayes: Ayes) -> None:
    day = 86_400
    room = await ayes.decision(members=["ada"], policy={"ttl_seconds": day})
    motion = await room.propose.assumption("Tea")
    await ayes.advance(day - 3_600)
    # It is not over yet, and the server works on with its new connections.
    assert (await (await ayes.room(room, "ada")).vote(motion)).result["status"] == "pending"
    other = await room.propose.assumption("Coffee")
    await ayes.advance(3_600)
    outcome = await room.decided(motion, timeout=SECONDS)
    assert (outcome.carried, outcome.how) == (False, "expired")
    assert room.state["proposals"][other]["status"] == "pending"


@pytest.mark.timeout(200)
def test_a_first_test_needs_the_plugin_and_no_setting(tmp_path: Path) -> None:
    """The code of the Python client's page, in a folder without a configuration of pytest."""
    page = (ROOT / "docs" / "clients" / "python.md").read_text()
    [conftest] = re.findall(r"^    (pytest_plugins = .*)$", page, re.MULTILINE)
    [shown] = re.findall(r"^    async def test_lunch.*?(?=^\S)", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_lunch.py").write_text(textwrap.dedent(shown))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_only_the_clock_of_a_tests_database_is_moved(tmp_path: Path) -> None:
    assert test_clock.main([str(tmp_path / "data"), "60"]) == 2
    assert test_clock.main([str(tmp_path / "ayes-test-x" / "data"), "-60"]) == 2
    assert test_clock.main([str(tmp_path / "ayes-test-x" / "data"), "60"]) == 1


def test_a_server_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoServer, match="AYES_CHURN_VOTES"):
        AyesServer(AYES_CHURN_VOTES="no number").start()
    monkeypatch.setenv("AYES_BIN", "/nowhere/ayes")
    with pytest.raises(NoServer, match="No such file"):
        AyesServer().start()


async def test_a_fake_room_shows_what_is_set_and_keeps_what_is_given() -> None:
    room = FakeRoom(state={"counts": {"members": 5}})
    room.show("p1", content="Tea", agree=1)
    assert room.tally("p1")[:3] == (1, 0, 0)
    room.results["vote.cast"] = {"agree": 2, "eligible": 5, "status": "pending"}
    ack = await room.vote("p1")
    assert (room.given[0].type, room.given[0].args) == (
        "vote.cast",
        {"proposal": "p1", "revision": 1},
    )
    assert ack.result["agree"] == 2
    heard: list[object] = []
    room.on("decided", heard.append)
    waiting = asyncio.create_task(room.decided("p1"))
    await asyncio.sleep(0)
    room.show("p1", status="accepted", resolution="auto_votes")
    assert (await waiting).carried
    assert len(heard) == 1
    room.refusals["vote.cast"] = ProposalClosed()
    with pytest.raises(ProposalClosed):
        await room.vote("p1")


async def test_a_fake_room_can_have_a_vote_on_its_way_and_be_closed() -> None:
    room = FakeRoom()
    room.show("p1", agree=2)
    args = {"proposal": "p1", "revision": 1}
    pending = Pending(
        id="x", type="vote.cast", event=room.event, args=args, since=0, sent=True, tries=1
    )
    room.waiting.append(pending)
    assert (room.tally("p1").agree, room.tally("p1").sending) == (3, True)
    room.waiting.clear()
    room.set({"proposals": {"p1": {"agree": 3}}}, {"votes": {"p1": 1}})
    assert (room.tally("p1").agree, room.tally("p1").mine) == (3, "agree")
    room.close()
    with pytest.raises(RoomClosed):
        await room.until(lambda _: False)
