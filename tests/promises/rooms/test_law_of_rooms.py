"""The law of rooms (``docs/protocol.md``): ``fold(snapshot at n, diffs) == snapshot at m``.

A second server on the same database gives the snapshot at m: it has seen none of the steps, so
its snapshot is what the tables say.
"""

from __future__ import annotations

from typing import Any

import pytest

from protocol.commands import COMMANDS, type_of
from tests.fixtures.servers import Start
from tests.promises.client import Room
from tests.promises.running import Running
from tests.promises.scenarios import BEFORE_THE_START, SCENARIOS
from tests.promises.stage import Stage, stage

#: So small that windows overflow in nearly every scenario.
SMALL = {"resolved_shown": 2, "comments_shown": 3, "members_shown": 3, "requests_shown": 2}


async def afresh(second: Running, room: Room) -> Room:
    """The room in the tables' state, for the same user."""
    client = await second.connect(room.client.user)
    found = await client.subscribe(room.event)
    await client.leave()
    return found


async def holds(made: Stage, second: Running) -> None:
    """Every watching client has folded the tables' state, ``you`` included."""
    rooms = await made.settled()
    assert rooms
    for room in rooms:
        fresh = await afresh(second, room)
        who = room.client.user
        assert (room.epoch, room.seq) == (fresh.epoch, fresh.seq), who
        assert room.state == fresh.state, who
        assert room.you == fresh.you, who


def test_every_command_has_a_scenario() -> None:
    assert set(SCENARIOS) == {type_of(command) for command in COMMANDS}


@pytest.mark.parametrize("command", sorted(SCENARIOS))
async def test_diffs_fold_to_the_next_snapshot(command: str, start: Start) -> None:
    first, second = await start(**SMALL), await start(**SMALL)
    made = await stage(first, started=command not in BEFORE_THE_START)
    begun = {room.client.user: len(room.starts) for room in made.rooms}
    await SCENARIOS[command](made)
    await holds(made, second)
    for room in made.rooms:
        assert room.starts[0]["reason"] == "initial"
        for further in room.starts[begun[room.client.user] :]:
            assert further["reason"] == "role"


async def test_all_audiences_are_watching(start: Start) -> None:
    server = await start()
    made = await stage(server)
    admin, *_, applicant = made.rooms
    assert set(admin.state) - set(made.rooms[2].state) == {"requests", "invitations"}
    assert applicant.you["membership"] == {"status": "pending"}
    assert set(applicant.state["event"]) == {"id", "subject", "status"}


async def test_the_law_holds_through_a_whole_life_with_wide_windows(start: Start) -> None:
    first, second = await start(), await start()
    made = await stage(first, started=False)
    for command in ("option.add", "assumption.add", "criterion.add"):
        await SCENARIOS[command](made)
    await holds(made, second)
    again = await stage(first)
    for command in (
        *("proposal.rebase", "comment.add", "membership.approve_all", "proposal.revert"),
        *("event.pause", "event.finish"),
    ):
        await SCENARIOS[command](again)
        await holds(again, second)
    assert again.rooms[0].state["results"]["ballots"] == 2


async def test_a_socket_that_was_away_all_the_time_ends_in_the_same_state(start: Start) -> None:
    """``resumed`` is one patch over all of it, both from memory and from the journal."""
    first, second = await start(**SMALL), await start(**SMALL)
    made = await stage(first)
    away: list[Any] = []
    for room in made.rooms:
        client = await first.connect(room.client.user)
        left = await client.subscribe(made.event)
        await client.drop()
        away.append(left)
    for command in ("vote.cast", "comment.add", "proposal.revert"):
        await SCENARIOS[command](made)
    for room in await made.settled():
        (left,) = (a for a in away if a.client.user == room.client.user)
        for server in (first, second):
            client = await server.connect(room.client.user)
            back = client.adopt(left)
            await client.resume(made.event)
            assert back.starts[-1]["type"] == "resumed"
            assert (back.seq, back.state, back.you) == (room.seq, room.state, room.you)
