"""A position that a client has seen is resumed, or the client learns why not."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from persistence.queries import event_reads
from server.rooms.resume_path import ResumePath
from tests.fixtures.servers import Start
from tests.promises.client import Client, Room
from tests.promises.fold import fold
from tests.promises.running import Running, token
from tests.promises.scenarios import SCENARIOS
from tests.promises.scenes import by_count, fresh, gathering
from tests.promises.stage import stage


async def test_a_known_position_is_resumed(server: Running) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    await member.leave()
    proposal = await scene.propose()
    tab = await server.connect(member.user)
    await scene.vote(tab, proposal)
    back = await server.connect(member.user)
    mine = back.adopt(room)
    before = mine.seq
    await back.resume(scene.event)
    (start,) = mine.starts[-1:]
    assert (start["type"], start["from"], start["seq"]) == ("resumed", before, before + 2)
    assert start["you"]["votes"] == {proposal: 1}
    fresh_room = await tab.subscribe(scene.event)
    assert (mine.state, mine.you) == (fresh_room.state, fresh_room.you)


async def test_at_the_top_there_is_nothing_to_patch(server: Running) -> None:
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    await scene.admin.resume(scene.event)
    assert room.starts[-1]["type"] == "resumed"
    assert room.starts[-1]["patch"] == {}
    assert room.starts[-1]["from"] == room.starts[-1]["seq"] == room.seq


async def test_hello_resumes_rooms_in_one_round_trip(server: Running) -> None:
    scene, other = await gathering(server, 1), await gathering(server)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    await member.leave()
    await scene.do("event.rotate_code")
    back = await server.open(member.user)
    mine = back.adopt(room)
    back.room(other.event)
    await back.hello(
        token(member.user),
        resume=[
            {"event": scene.event, "epoch": room.epoch, "seq": room.seq},
            {"event": other.event},
        ],
    )
    await back.saw("resumed")
    (error,) = await back.saw("error")
    assert (error["code"], error["event"]) == ("not_found", other.event)
    await scene.do("event.pause")
    await back.until(lambda: mine.state["event"]["status"] == "paused")


async def test_every_position_there_was_can_be_resumed(start: Start) -> None:
    """From memory, from the journal, and by a server that decided none of the steps."""
    first, second = await start(), await start()
    made = await stage(first)
    (room,) = (r for r in made.rooms if r.client is made.members[0])
    states = {}
    reader = await first.connect(made.members[0].user)
    state = room.starts[0]["state"]
    states[room.starts[0]["seq"]] = state
    for name in ("comment.add", "membership.approve_all", "event.rotate_code", "proposal.rebase"):
        await SCENARIOS[name](made)
    await made.settled()
    for diff in room.diffs:
        state = fold(state, diff["patch"])
        states[diff["seq"]] = state
    other = await second.connect(made.members[0].user)
    for seq, held in states.items():
        for client in (reader, other):
            mine = client.room(made.event)
            mine.epoch, mine.seq, mine.state = room.epoch, seq, held
            await client.subscribe(made.event, epoch=room.epoch, seq=seq)
            assert mine.starts[-1]["type"] == "resumed"
            assert mine.starts[-1]["from"] == seq
            assert (mine.seq, mine.state, mine.you) == (room.seq, room.state, room.you)


async def test_steps_that_leave_memory_while_the_journal_is_read_are_told_too(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.step_history.MAX_STEPS_IN_MEMORY", 4)
    scene = await gathering(server, 1, started=False)
    (member,) = scene.members
    await scene.admin.subscribe(scene.event)
    room = await member.subscribe(scene.event)
    await member.ask("unsubscribe", event=scene.event)
    for number in range(8):
        await scene.do("option.add", content=f"before {number}")
    read = event_reads.steps
    pages = []

    async def meanwhile(*asked: Any, **named: Any) -> Any:
        pages.append(found := await read(*asked, **named))
        if len(pages) == 1:
            for number in range(2):
                await scene.do("option.add", content=f"meanwhile {number}")
        return found

    monkeypatch.setattr(event_reads, "steps", meanwhile)
    await member.resume(scene.event)
    assert pages
    assert room.starts[-1]["type"] == "resumed"
    assert len(room.state["options"]) == 10


async def test_too_far_behind_is_a_gap(start: Start) -> None:
    server = await start(resume_steps=3)
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    seq = room.seq
    for number in range(5):
        await scene.do("event.rotate_code")
        reader = await server.connect(scene.admin.user)
        mine = reader.adopt(room)
        mine.seq, mine.state = seq, room.starts[0]["state"]
        await reader.resume(scene.event)
        answer = mine.starts[-1]
        if number < 3:
            assert answer["type"] == "resumed"
        else:
            assert (answer["type"], answer["reason"]) == ("snapshot", "gap")


async def test_a_database_out_of_reach_while_the_journal_is_read_is_overloaded(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.rooms.step_history.MAX_STEPS_IN_MEMORY", 1)
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    seq = room.seq
    for _ in range(3):
        await scene.do("event.rotate_code")

    async def away(*args: Any, **options: Any) -> Any:
        raise ConnectionResetError

    monkeypatch.setattr(event_reads, "steps", away)
    answer = await scene.admin.request(
        {"type": "subscribe", "event": scene.event, "epoch": room.epoch, "seq": seq}
    )
    assert (answer["code"], answer["retry"]) == ("overloaded", "same")


async def test_another_epoch_is_told(server: Running) -> None:
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    await scene.admin.subscribe(scene.event, epoch="another", seq=room.seq)
    assert (room.starts[-1]["type"], room.starts[-1]["reason"]) == ("snapshot", "epoch")


async def test_an_epoch_that_ends_while_a_position_is_looked_up_is_told(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    load = ResumePath.load

    async def meanwhile(journal: Any, of: Any, after: int, charge: Any) -> Any:
        await load(journal, of, after, charge)
        of.epoch = "restored"

    monkeypatch.setattr(ResumePath, "load", meanwhile)
    answer = await scene.admin.request(
        {"type": "subscribe", "event": scene.event, "epoch": room.epoch, "seq": room.seq}
    )
    assert (answer["type"], answer["reason"]) == ("snapshot", "epoch")


async def test_ahead_of_the_server_is_told_and_alarms(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    await scene.admin.subscribe(scene.event, epoch=room.epoch, seq=room.seq + 1)
    assert (room.starts[-1]["type"], room.starts[-1]["reason"]) == ("snapshot", "ahead")
    assert [r for r in caplog.records if r.levelname == "CRITICAL" and scene.event in r.message]


async def test_a_member_cannot_fill_the_log_with_alarms(
    server: Running, caplog: pytest.LogCaptureFixture
) -> None:
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    for far in range(1, 20):
        await scene.admin.subscribe(scene.event, epoch=room.epoch, seq=room.seq + far)
        assert (room.starts[-1]["type"], room.starts[-1]["reason"]) == ("snapshot", "ahead")
    told = [r for r in caplog.records if r.levelname == "CRITICAL" and scene.event in r.message]
    assert len(told) == 1


async def test_a_changed_role_while_away_is_told(server: Running) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    await member.drop()
    await scene.do("membership.set_role", user=member.user, role="admin")
    back = await server.connect(member.user)
    mine = back.adopt(room)
    await back.resume(scene.event)
    assert (mine.starts[-1]["type"], mine.starts[-1]["reason"]) == ("snapshot", "role")
    assert "requests" in mine.state


async def test_a_role_that_changes_while_a_resume_waits_for_its_socket_is_told(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    await scene.admin.subscribe(scene.event)
    await member.ask("unsubscribe", event=scene.event)

    async def meanwhile(_: Any) -> None:
        await scene.do("membership.set_role", user=member.user, role="admin")

    monkeypatch.setattr("server.sessions.request_worker.RequestWorker._until_writable", meanwhile)
    await member.resume(scene.event)
    assert room.starts[-1].get("reason") == "role"
    assert "requests" in room.state


async def test_a_restored_database_is_another_epoch_to_everybody(
    server: Running, migrated_url: str
) -> None:
    scene = await gathering(server)
    room = await scene.admin.subscribe(scene.event)
    connection = await asyncpg.connect(migrated_url)
    await connection.execute("UPDATE events SET epoch = 'restored' WHERE id = $1", scene.event)
    await connection.close()
    await scene.admin.until(lambda: len(room.starts) == 2)
    assert (room.starts[-1]["reason"], room.epoch) == ("epoch", "restored")


async def test_a_second_subscribe_goes_on_from_its_answer(server: Running) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    proposal = await scene.propose()

    async def comment() -> None:
        for number in range(40):
            await scene.do("comment.add", proposal=proposal, content=str(number))

    async def subscribe() -> None:
        for number in range(20):
            await (member.resume if number % 2 else member.subscribe)(scene.event)

    await asyncio.gather(comment(), subscribe())
    top = (await scene.admin.subscribe(scene.event)).seq
    await room.reached(top)
    fresh_room = await (await server.connect(member.user)).subscribe(scene.event)
    assert (room.state, room.you) == (fresh_room.state, fresh_room.you)


async def test_sockets_cut_at_random_end_in_the_same_state(server: Running) -> None:
    rng = random.Random(20261123)
    scene = await gathering(server, 5, policy=by_count(3))
    proposals = [await scene.propose() for _ in range(12)]
    done = asyncio.Event()
    known: dict[str, Room] = {}

    async def watch(user: str, rng: random.Random) -> Room:
        while True:
            client = await server.connect(user)
            if user in known:
                client.adopt(known[user])
                room = await client.resume(scene.event)
                assert room.starts[-1]["type"] == "resumed"
            else:
                room = await client.subscribe(scene.event)
            known[user] = room
            if done.is_set():
                return room
            cut = room.seq + rng.randint(0, 12)
            while room.seq < cut and not done.is_set():
                await asyncio.sleep(0.005)
            if rng.random() < 0.5:
                await client.drop()
            else:
                await client.leave()

    async def act(client: Client, rng: random.Random) -> None:
        for _ in range(40):
            proposal = rng.choice(proposals)
            kind = rng.random()
            if kind < 0.6:
                await scene.vote(client, proposal)
            elif kind < 0.8:
                await client.send("vote.retract", event=scene.event, proposal=proposal)
            else:
                await client.send(
                    "comment.add", event=scene.event, proposal=proposal, content=fresh("words")
                )

    watching = [
        asyncio.create_task(watch(client.user, random.Random(rng.random())))
        for client in scene.everyone
    ]
    await asyncio.gather(*(act(m, random.Random(rng.random())) for m in scene.members))
    done.set()
    for room in await asyncio.gather(*watching):
        fresh_room = await (await server.connect(room.client.user)).subscribe(scene.event)
        await room.reached(fresh_room.seq)
        await room.client.ask("ping")
        assert (room.state, room.you) == (fresh_room.state, fresh_room.you)


async def test_a_room_that_another_process_moves_is_followed(start: Start) -> None:
    """Two nodes on one database: the sweep finds a step without a hint, the journal fills it."""
    here, there = await start(), await start()
    scene = await gathering(here, 1)
    (member,) = scene.members
    far = await there.connect(scene.admin.user)
    room = await far.subscribe(scene.event)
    proposal = await scene.propose(member)
    for number in range(10):
        await scene.do("comment.add", proposal=proposal, content=str(number))
    await far.until(lambda: len(room.state["comments"]) == 10)
    # Commands decided on both sides in turn keep one order.
    acks = []
    for number in range(20):
        sender = (scene.admin, far)[number % 2]
        acks.append(await sender.ack("comment.add", event=scene.event, proposal=proposal,
                                     content="turn"))  # fmt: skip
    seqs = [ack["seq"] for ack in acks]
    assert seqs == list(range(seqs[0], seqs[0] + 20))
    await room.reached(seqs[-1])
    near = await scene.admin.subscribe(scene.event)
    assert near.state == room.state
