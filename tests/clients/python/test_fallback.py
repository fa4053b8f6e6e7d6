"""If no WebSocket gets through, the client works over HTTP, and keeps its promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ayes_client import Client, Command
from ayes_client._connection import probing, room_streams
from ayes_client.errors import AuthExpired, NotFound, ProposalClosed, Unauthenticated
from tests.clients.blocking import BlockingLine, How, blocking_line_to
from tests.clients.python.conftest import Connect, client_of, gathering, proposal
from tests.clients.python.outboxes import opened
from tests.clients.python.waiting import eventually, status, until
from tests.promises.running import Running, token
from tests.promises.scenes import fresh


@pytest.fixture
async def blocked(server: Running) -> AsyncIterator[BlockingLine]:
    async with blocking_line_to(server.port) as line:
        yield line


@pytest.mark.parametrize("how", ["refuse", "strip", "cut", "welcome"])
async def test_however_the_socket_is_blocked_a_vote_is_counted(
    connect: Connect, blocked: BlockingLine, how: How
) -> None:
    blocked.how = how
    client: Client = await connect(url=blocked.base)
    room = await gathering(client)
    wanted = await proposal(room)
    ack = await room.vote(wanted, id=f"over-http-{how}")
    assert ack.result["agree"] == 1
    await room.reached(ack.seq)
    assert room.state["proposals"][wanted]["agree"] == 1
    await eventually(lambda: wanted in room.you["votes"])
    await eventually(lambda: client.transport == "http")
    assert blocked.blocked >= 2


async def test_what_others_do_arrives_by_the_stream_and_the_fold_is_the_same(
    connect: Connect, blocked: BlockingLine
) -> None:
    near: Client = await connect()
    there = await gathering(near)
    far: Client = await connect(url=blocked.base)
    code = there.state["event"].get("entrance_code")
    await far.command("membership.join", {"code": code})
    room = await far.subscribe(there.event)
    changes: list[int] = []
    room.on("change", lambda change: changes.append(change.seq))
    for number in range(20):
        ack = await there.propose("assumption", f"No. {number}")
    await room.reached(ack.seq)
    await there.reached(ack.seq)
    # The two have different audiences, so only the shared parts are compared.
    assert room.state["proposals"] == there.state["proposals"]
    assert room.state["counts"]["members"] == 2
    assert changes
    await room.leave()
    assert room.closed == "client"


async def test_a_stream_that_breaks_goes_on_from_its_position(
    connect: Connect, blocked: BlockingLine
) -> None:
    near: Client = await connect()
    there = await gathering(near)
    far: Client = await connect(url=blocked.base)
    await far.command("membership.join", {"code": there.state["event"].get("entrance_code")})
    room = await far.subscribe(there.event)
    reasons: list[str | None] = []
    room.on("change", lambda change: reasons.append(change.reason))
    for number in range(4):
        blocked.cut()
        ack = await there.propose("assumption", f"No. {number}")
        await room.reached(ack.seq)
    assert room.state["counts"]["proposals"] == 4
    # No snapshot: each time the history was continued.
    assert set(reasons) == {None}


async def test_many_commands_over_a_line_that_breaks_are_each_counted_once(
    connect: Connect, blocked: BlockingLine, tmp_path: Path
) -> None:
    client: Client = await connect(url=blocked.base, outbox=tmp_path / "o", answer_timeout=2)
    room = await gathering(client)
    wanted = [await proposal(room, f"No. {number}") for number in range(40)]

    async def breaking() -> None:
        while True:
            await asyncio.sleep(0.15)
            blocked.cut()

    task = asyncio.create_task(breaking())
    votes = [
        Command(type="vote.cast", event=room.event, args={"proposal": id, "revision": 1})
        for id in wanted
    ]
    outcomes = [outcome async for outcome in client.send_all(votes)]
    task.cancel()
    assert [outcome.error for outcome in outcomes] == [None] * 40
    assert all(outcome.ack is not None and outcome.ack.applied for outcome in outcomes)
    await room.reached(max(outcome.ack.seq for outcome in outcomes if outcome.ack is not None))
    assert {room.state["proposals"][id]["agree"] for id in wanted} == {1}
    await client.stop()
    with opened(tmp_path / "o") as (_, found):
        assert found == []


async def test_errors_and_queries_are_the_same(connect: Connect, blocked: BlockingLine) -> None:
    client: Client = await connect(url=blocked.base)
    room = await gathering(client)
    wanted = await proposal(room)
    await room.approve(wanted)
    with pytest.raises(ProposalClosed):
        await room.vote(wanted)
    with pytest.raises(NotFound):
        await client.subscribe("0190a4d2-9f0e-5c5e-9d0a-617965732e31")
    listed = await client.query("events.list", {"limit": 5})
    assert [event["id"] for event in listed["events"]] == [room.event]
    ids = ["never-given-1", "never-given-2"]
    found = await client.query("command.status", {"event": room.event, "ids": ids})
    assert [one["state"] for one in found["commands"]] == ["absent", "absent"]
    assert "members" in await client.query("members.list", {"event": room.event})
    code = room.state["event"]["entrance_code"]
    assert (await client.query("event.overview", {"code": code}))["event"] == room.event


async def test_more_rooms_than_streams_are_all_followed(
    connect: Connect, blocked: BlockingLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_streams, "MAX_STREAMS", 2)
    monkeypatch.setattr(room_streams, "STREAM_TURN_S", 0.1)
    near: Client = await connect()
    rooms = [await gathering(near) for _ in range(5)]
    far: Client = await connect(near.user.id if near.user else None, url=blocked.base)
    seen = [await far.subscribe(room.event) for room in rooms]
    for number, room in enumerate(rooms):
        ack = await room.propose("assumption", f"No. {number}")
        await seen[number].reached(ack.seq)
        assert seen[number].state["proposals"] == room.state["proposals"]


async def test_a_bad_token_ends_the_client_over_http_too(
    server: Running, blocked: BlockingLine
) -> None:
    bad = token("ada")[:-4] + "AAAA"
    with pytest.raises(Unauthenticated):
        async with client_of(blocked.base, "ada", token=bad):
            raise AssertionError("it was let in")
    with pytest.raises(AuthExpired):
        async with client_of(blocked.base, "ada", token=token("ada", seconds=-5)):
            raise AssertionError("it was let in")


async def test_a_token_that_ends_is_renewed_over_http(
    connect: Connect, blocked: BlockingLine
) -> None:
    user = fresh("ada")
    made: list[str] = []

    def short() -> str:
        made.append(token(user, seconds=2))
        return made[-1]

    client: Client = await connect(user, url=blocked.base, token=short)
    room = await gathering(client)
    first = len(made)
    await eventually(lambda: len(made) > first or not room.live)
    assert (await proposal(room)) in room.state["proposals"]


async def test_the_socket_is_used_again_once_it_gets_through(
    connect: Connect, blocked: BlockingLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "FIRST_PROBE_DELAY_S", 0.2)
    monkeypatch.setattr(probing, "PROBE_HOLD_S", 0.2)
    client: Client = await connect(url=blocked.base)
    room = await gathering(client)
    assert client.transport == "http"
    blocked.how = "pass"
    await until(client, "status", lambda: client.transport == "websocket")
    ack = await room.propose("assumption", "We are back")
    await room.reached(ack.seq)
    assert room.live


async def test_a_server_that_is_away_is_waited_for_whichever_way_works_then(
    connect: Connect, blocked: BlockingLine
) -> None:
    client: Client = await connect(url=blocked.base)
    room = await gathering(client)
    blocked.break_down()
    await status(client, "waiting")
    proposing = asyncio.create_task(room.propose("assumption", "Is anybody there?"))
    await until(client, "pending", lambda: bool(client.pending))
    blocked.mend()
    ack = await proposing
    await room.reached(ack.seq)
