"""The Python SDK on a real server: the basics that its documentation promises."""

from __future__ import annotations

import asyncio

import pytest

from ayes_client import Client
from ayes_client.errors import Busy, NotFound, ProposalClosed
from tests.clients.python.conftest import Connect, gathering, proposal
from tests.promises.running import Running, token


async def test_three_lines_are_a_vote(server: Running, connect: Connect) -> None:
    admin = await connect()
    there = await gathering(admin)
    wanted = await proposal(there)
    async with Client(server.url, token("three-lines")) as client:
        await client.command("membership.join", {"code": there.state["event"]["entrance_code"]})
        room = await client.subscribe(there.event)
        ack = await room.vote(wanted)
    assert ack.applied
    assert ack.result == {"agree": 1, "eligible": 2, "status": "pending"}


async def test_a_room_folds_what_it_is_told(connect: Connect) -> None:
    room = await gathering(await connect())
    before = room.state
    wanted = await proposal(room)
    ack = await room.vote(wanted)
    await room.reached(ack.seq)
    assert room.state["proposals"][wanted]["agree"] == 1
    assert room.you["votes"] == {wanted: 1}
    assert before["proposals"] == {}


async def test_the_same_id_again_is_the_same_vote(connect: Connect) -> None:
    room = await gathering(await connect())
    wanted = await proposal(room)
    first = await room.vote(wanted, id="one-vote-0001")
    again = await room.vote(wanted, id="one-vote-0001")
    assert not first.replayed
    assert again.replayed
    assert again.seq == first.seq


async def test_a_late_vote_says_how_it_was_decided(connect: Connect) -> None:
    room = await gathering(await connect())
    wanted = await proposal(room)
    await room.approve(wanted)
    with pytest.raises(ProposalClosed) as caught:
        await room.vote(wanted, revision=1)
    assert caught.value.retry == "no"
    assert caught.value.details["resolution"] == "admin"


async def test_what_may_not_be_known_is_not_found(connect: Connect) -> None:
    client = await connect()
    with pytest.raises(NotFound):
        await client.subscribe("0190a4d2-9f0e-5c5e-9d0a-617965732e31")
    assert client.rooms == {}


async def test_questions_have_answers(connect: Connect) -> None:
    client = await connect()
    room = await gathering(client)
    answer = await client.query("events.list", {"limit": 10})
    assert answer["events"][0]["id"] == room.event
    with pytest.raises(NotFound):
        await client.query("event.overview", {"code": "ZZZZZ9"})


async def test_a_reader_begins_with_the_state_and_ends_with_the_room(connect: Connect) -> None:
    room = await gathering(await connect())
    seen = []

    async def read() -> None:
        async for change in room:
            seen.append(change)

    reading = asyncio.create_task(read())
    wanted = await proposal(room)
    await room.leave()
    await reading
    assert seen[0].reason == "now"
    assert seen[0].patch is None
    assert seen[-1].seq >= 3
    assert wanted in room.state["proposals"]
    assert room.closed == "client"


async def test_no_more_than_10_000_questions_wait_for_an_answer(connect: Connect) -> None:
    client = await connect()
    asked = [asyncio.create_task(client.query("events.list")) for _ in range(10_000)]
    await asyncio.sleep(0)
    with pytest.raises(Busy) as caught:
        await client.query("events.list")
    assert (caught.value.effect, caught.value.details) == ("none", {"limit": 10_000})
    # A command whose caller stopped waiting makes room.
    asked[0].cancel()
    await asyncio.wait(asked[:1])
    asked.append(asyncio.create_task(client.query("events.list")))
    await client.stop()
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(end, Busy) for end in ends) == 0
