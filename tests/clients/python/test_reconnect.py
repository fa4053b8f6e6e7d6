"""After a broken line, a stopped server or an expired token, each command is done once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from ayes_client import Change, Client, Room
from ayes_client._connection import renewal, tokens
from ayes_client.errors import AuthExpired, NotFound, Stopped, Unauthenticated, Unreachable
from tests.clients.line import Line, line_to
from tests.clients.python.conftest import Connect, client_of, gathering, proposal
from tests.clients.python.waiting import PATIENCE, eventually, status, until
from tests.parts import free_port
from tests.promises.running import Running, killable, token
from tests.promises.scenes import fresh


@pytest.fixture
async def line(server: Running) -> AsyncIterator[Line]:
    """A line to the server."""
    async with line_to(server.port) as found:
        yield found


async def test_a_room_goes_on_where_it_was(connect: Connect, line: Line) -> None:
    user = fresh("ada")
    away = await connect(user, url=line.url)
    room = await gathering(away)
    elsewhere = await (await connect(user)).subscribe(room.event)
    changes: list[Change] = []
    room.on("change", changes.append)
    line.break_down()
    await status(away, "waiting")
    lives = [room.live]
    ack = await elsewhere.propose("assumption", "It rains")
    line.mend()
    await room.reached(ack.seq)
    lives.append(room.live)
    assert lives == [False, True]
    assert [change.reason for change in changes] == [None]
    assert room.state == elsewhere.state
    assert await away.subscribe(room.event) is room


async def test_a_vote_whose_answer_was_lost_is_one_vote(connect: Connect, line: Line) -> None:
    client = await connect(url=line.url)
    room = await gathering(client)
    wanted = await proposal(room)
    line.deaf = True
    before = line.heard
    voting = asyncio.create_task(room.vote(wanted))
    await eventually(lambda: line.heard > before and client.pending[0].sent)
    watcher = await connect(client.user.id if client.user else None)
    there = await watcher.subscribe(room.event)
    await eventually(lambda: there.state["proposals"][wanted]["agree"] == 1)
    line.cut()
    ack = await voting
    assert ack.replayed
    assert ack.result["agree"] == 1


async def test_what_is_given_without_a_line_is_sent_in_its_order(
    connect: Connect, line: Line
) -> None:
    client = await connect(url=line.url)
    room = await gathering(client)
    line.break_down()
    await status(client, "waiting")
    given = [
        asyncio.create_task(room.propose("assumption", f"number {number}")) for number in range(50)
    ]
    await until(client, "pending", lambda: len(client.pending) == 50)
    assert not any(pending.sent for pending in client.pending)
    line.mend()
    acks = await asyncio.gather(*given)
    assert [ack.seq for ack in acks] == sorted(ack.seq for ack in acks)
    assert not any(ack.replayed for ack in acks)
    assert client.pending == []


async def test_a_vote_is_never_overtaken_by_its_retraction(connect: Connect, line: Line) -> None:
    client = await connect(url=line.url)
    room = await gathering(client)
    wanted = await proposal(room)
    line.break_down()
    await status(client, "waiting")
    work = []
    for _ in range(5):
        work += [asyncio.create_task(room.vote(wanted)), asyncio.create_task(room.retract(wanted))]
    line.mend()
    acks = await asyncio.gather(*work)
    assert [ack.result["agree"] for ack in acks] == [1, 0] * 5


async def test_a_killed_server_comes_back_and_nothing_is_lost(
    migrated_url: str, tmp_path: Path
) -> None:
    port = free_port()
    async with killable(migrated_url, tmp_path, port=port) as first:
        client = client_of(first.url, fresh("ada"))
        async with client:
            room = await gathering(client)
            wanted = [await proposal(room, f"number {number}") for number in range(20)]
            votes = [asyncio.create_task(room.vote(id)) for id in wanted]
            await asyncio.sleep(0)
            await first.kill()
            async with killable(migrated_url, tmp_path, port=port):
                acks = await asyncio.gather(*votes)
                await room.reached(max(ack.seq for ack in acks))
                assert len({ack.seq for ack in acks}) == 20
                assert {room.state["proposals"][id]["agree"] for id in wanted} == {1}


async def test_a_draining_server_says_when_to_come_back(server: Running, connect: Connect) -> None:
    client = await connect()
    byes: list[int] = []
    client.on("bye", lambda bye: byes.append(bye["code"]))
    await server.drain()
    await status(client, "waiting")
    assert byes == [4001]


async def test_a_silent_line_is_given_up(connect: Connect, line: Line) -> None:
    client = await connect(url=line.url)
    line.deaf = True
    assert client._connector._session is not None
    # For the test, fifty seconds without a message mean a dead line.
    client._connector._session._heard_at -= 100
    await status(client, "waiting")
    assert client.trouble is not None
    assert "nothing was heard" in client.trouble
    line.cut()
    await status(client, "open")


# Tokens


async def test_a_token_is_renewed_before_it_expires(connect: Connect) -> None:
    user = fresh("ada")
    asked = []

    async def made() -> str:
        asked.append(user)
        return token(user, seconds=2)

    client = await connect(user, token=made)
    room = await gathering(client)
    await eventually(lambda: len(asked) >= 4)
    wanted = await proposal(room)
    assert (await room.vote(wanted)).applied
    assert client.status == "open"


async def test_a_command_that_met_an_expired_token_is_sent_again_with_a_new_one(
    server: Running, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "renew_in", lambda expires, now: 1_000.0)
    user = fresh("ada")
    tokens = iter([token(user, seconds=1)])
    client = await connect(user, token=lambda: next(tokens, token(user)))
    room = await gathering(client)
    wanted = await proposal(room)
    # The first token is over by then; on a busy machine the second one is in use already.
    while any(-2 < s.expired_for(datetime.now(UTC)) <= 0 for s in server.node.connections.of(user)):
        await asyncio.sleep(0.05)
    statuses: list[str] = []
    client.on("status", statuses.append)
    assert (await room.vote(wanted)).applied
    assert statuses == []


async def test_a_token_that_is_no_good_ends_the_client(server: Running) -> None:
    with pytest.raises(Unauthenticated) as caught:
        async with client_of(server.url, "nobody", token="no.such.token"):
            raise AssertionError("it was let in")
    assert caught.value.details["close"] == 4500


async def test_an_expired_token_ends_a_client_that_has_no_other(server: Running) -> None:
    with pytest.raises(AuthExpired):
        async with client_of(server.url, "late", token=token("late", seconds=-5)):
            raise AssertionError("it was let in")


async def test_a_function_without_a_token_is_asked_again(connect: Connect) -> None:
    user = fresh("ada")
    answers: list[str | None] = [None, None]

    def made() -> str:
        if answers:
            answers.pop()
            raise OSError("the issuer is away")
        return token(user)

    client = await connect(user, token=made)
    assert client.status == "open"


# Every promise settles.


async def test_stopping_settles_everything(server: Running, connect: Connect, line: Line) -> None:
    client = await connect(url=line.url)
    room = await gathering(client)
    reading = asyncio.create_task(_read_all(room))
    line.break_down()
    await status(client, "waiting")
    waiting = [
        asyncio.create_task(room.propose("assumption", "never sent")),
        asyncio.create_task(client.query("events.list")),
        asyncio.create_task(client.subscribe("0190a4d2-9f0e-5c5e-9d0a-617965732e31")),
    ]
    await until(client, "pending", lambda: len(client.pending) == 1)
    await client.stop()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Stopped] * 3
    assert isinstance(results[0], Stopped)
    assert results[0].effect == "unknown"
    await reading
    with pytest.raises(Stopped):
        await client.command("event.create", {"subject": "too late"})
    await client.stop()


async def _read_all(room: Room) -> None:
    async for _ in room:
        pass


async def test_cancelling_a_wait_does_not_cancel_the_vote(connect: Connect, line: Line) -> None:
    client = await connect(url=line.url)
    room = await gathering(client)
    wanted = await proposal(room)
    line.break_down()
    await status(client, "waiting")
    voting = asyncio.create_task(room.vote(wanted, id="cancelled-wait"))
    await until(client, "pending", lambda: len(client.pending) == 1)
    voting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await voting
    adopted = client.adopt("cancelled-wait")
    assert adopted is not None
    line.mend()
    ack = await adopted
    assert ack.result["agree"] == 1


async def test_a_server_that_is_not_there_is_waited_for_so_long_and_no_longer() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=r"Connect"):
        async with Client(url, "token", open_timeout=1, backoff=(0.02, 0.1)):
            raise AssertionError("there is no server")


async def test_a_token_function_that_hangs_is_asked_again(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "TOKEN_TIMEOUT_S", 0.05)
    asked: list[int] = []

    async def slow() -> str:
        asked.append(len(asked))
        if len(asked) == 1:
            await asyncio.Event().wait()
        return token("ada")

    async with client_of(server.url, "ada", token=slow) as client:
        assert client.status == "open"
    assert asked == [0, 1]


async def test_a_server_that_speaks_something_else_is_tried_again() -> None:
    async def babble(link: ServerConnection) -> None:
        await link.recv()
        await link.send('{"type":"welcome","limits":[],"time":7}')
        await link.wait_closed()

    async with serve(babble, "127.0.0.1", 0, subprotocols=[Subprotocol("ayes.v1")]) as server:
        port = server.sockets[0].getsockname()[1]
        client = client_of(f"ws://127.0.0.1:{port}", "ada")
        client.start()
        tries: list[str] = []
        client.on("status", tries.append)
        await eventually(lambda: tries.count("waiting") >= 2)
        assert client.trouble == "a welcome that this client cannot read"
        await client.stop()


async def test_a_room_that_is_refused_again_is_closed_with_the_reason(
    connect: Connect, line: Line
) -> None:
    admin = await connect()
    there = await gathering(admin)
    member = await connect(url=line.url)
    await member.command("membership.join", {"code": there.state["event"]["entrance_code"]})
    room = await member.subscribe(there.event)
    line.break_down()
    await status(member, "waiting")
    assert member.user is not None
    await there.command("membership.remove", {"user": member.user.id})
    closed: list[str] = []
    room.on("closed", closed.append)
    line.mend()
    await eventually(lambda: bool(closed))
    assert closed == ["not_a_member"]
    assert there.event not in member.rooms


async def test_two_that_ask_for_one_room_get_one_room(connect: Connect) -> None:
    client = await connect()
    room = await gathering(client)
    await room.leave()
    async with asyncio.timeout(PATIENCE):
        first, second = await asyncio.gather(
            client.subscribe(room.event), client.subscribe(room.event)
        )
    assert first is second
    assert first is not room
    with pytest.raises(NotFound):
        await client.subscribe("0190a4d2-9f0e-5c5e-9d0a-617965732e32")
