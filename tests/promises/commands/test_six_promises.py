"""The six promises about commands (``docs/protocol.md``, "Six promises" and "Commands")."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.fixtures.servers import Start
from tests.promises.client import Client
from tests.promises.running import Running
from tests.promises.scenes import fresh, gathering
from tests.promises.tables import lines, same

# 1. An ack means durable.


async def test_an_ack_is_sent_after_commit(server: Running, migrated_url: str) -> None:
    scene = await gathering(server)
    reader = await asyncpg.connect(migrated_url)
    try:
        for _ in range(20):
            ack = await scene.admin.ack("event.rotate_code", event=scene.event)
            row = await reader.fetchrow(
                "SELECT encode(hash, 'hex') AS hash, command_id FROM journal "
                "WHERE event_id = $1 AND seq = $2",
                scene.event,
                ack["seq"],
            )
            assert row is not None
            assert (row["hash"], row["command_id"]) == (ack["hash"], ack["id"])
    finally:
        await reader.close()


async def test_the_database_flushes_every_commit(server: Running) -> None:
    async with server.node.database.connection() as connection:
        assert await connection.fetchval("SHOW synchronous_commit") == "on"


# 3. Every command is answered, and an answer decided under the lock is final.


async def test_a_refusal_is_remembered(server: Running, migrated_url: str) -> None:
    scene = await gathering(server, 1)
    (client,) = scene.members
    first = await client.refused("forbidden", "event.pause", id="too-early-1", event=scene.event)
    assert (first["effect"], first["retry"]) == ("none", "no")
    assert "replayed" not in first
    await scene.do("membership.set_role", user=client.user, role="admin")
    late = await client.refused("forbidden", "event.pause", id="too-early-1", event=scene.event)
    assert late["replayed"] is True
    assert same(late) == same(first)
    assert (await scene.state())["event"]["status"] == "in_progress"
    await client.refused("id_conflict", "event.finish", id="too-early-1", event=scene.event)
    (line,) = (
        line
        for line in await lines(migrated_url, scene.event)
        if line["command_id"] == "too-early-1"
    )
    assert (line["seq"], line["hash"], line["patches"]) == (None, None, None)
    assert (await client.ack("event.pause", id="in-time-1", event=scene.event))["applied"]


async def test_a_late_vote_stays_refused(server: Running) -> None:
    """BusMessage no, the duplicate of a vote cannot count later."""
    scene = await gathering(server, 1)
    (client,) = scene.members
    proposal = await scene.propose()
    await scene.do("event.pause")
    vote: dict[str, Any] = {
        "id": "late-vote-1",
        "event": scene.event,
        "proposal": proposal,
        "revision": 1,
    }
    await client.refused("event_not_in_progress", "vote.cast", **vote)
    await scene.do("event.resume")
    again = await client.refused("event_not_in_progress", "vote.cast", **vote)
    assert again["replayed"] is True
    assert (await scene.state())["proposals"][proposal]["agree"] == 0


async def test_what_decided_nothing_is_not_remembered(start: Start) -> None:
    server = await start(subject_length=10)
    client = await server.connect(fresh("maker"))
    error = await client.refused("bad_request", "event.create", id="try-again", subject="x" * 11)
    assert error["details"]["path"] == "subject"
    ack = await client.ack("event.create", id="try-again", subject="short")
    assert ack["replayed"] is False


async def test_a_bad_request_that_only_the_state_shows_is_remembered(server: Running) -> None:
    scene = await gathering(server, options=["a"], criteria=["c"])
    room = await scene.admin.subscribe(scene.event)
    (option,) = room.state["options"]
    given: dict[str, Any] = {
        "event": scene.event,
        "option": option,
        "criterion_order": [],
        "criteria_rev": room.state["event"]["criteria_rev"],
    }
    first = await scene.admin.refused("bad_request", "ballot.submit", id="ballot-01", **given)
    assert first["details"]["path"] == "criterion_order"
    again = await scene.admin.refused("bad_request", "ballot.submit", id="ballot-01", **given)
    assert again["replayed"] is True


async def test_a_stranger_is_told_not_found_as_for_what_does_not_exist(server: Running) -> None:
    scene = await gathering(server)
    stranger = await scene.newcomer()
    answers = []
    for event in (scene.event, "no-such-event"):
        for _ in range(2):
            answer = await stranger.refused(
                "not_found", "event.pause", id="knock-knock", event=event
            )
            answers.append({k: v for k, v in answer.items() if k != "event"})
    assert all(answer == answers[0] for answer in answers)


async def test_a_status_tells_what_became_of_commands(server: Running) -> None:
    scene = await gathering(server, 1)
    (client,) = scene.members
    proposal = await scene.propose()
    vote: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
    ack = await client.ack("vote.cast", id="committed-1", **vote)
    refusal = await client.refused("forbidden", "event.pause", id="refused-01", event=scene.event)
    status = await client.ask(
        "command.status",
        event=scene.event,
        ids=["committed-1", "refused-01", "never-sent", "committed-1"],
    )
    told = status["commands"]
    assert [entry["id"] for entry in told] == [
        *("committed-1", "refused-01", "never-sent", "committed-1")
    ]
    assert [entry["state"] for entry in told] == ["committed", "refused", "absent", "committed"]
    assert same(told[0]["ack"]) == same(ack)
    assert same(told[1]["error"]) == same(refusal)
    # A query about another user's command reveals nothing and changes nothing.
    others = await scene.admin.ask(
        "command.status", event=scene.event, ids=["committed-1", "refused-01"]
    )
    assert [entry["state"] for entry in others["commands"]] == ["absent", "absent"]
    assert (await scene.state())["proposals"][proposal]["agree"] == 1


async def test_a_status_tells_a_stranger_nothing_of_an_event_that_is_there(
    server: Running,
) -> None:
    scene = await gathering(server)
    stranger = await scene.newcomer()
    told = []
    for event in (scene.event, "no-such-event"):
        await stranger.refused("not_found", "event.pause", id="knock-knock", event=event)
        status = await stranger.ask("command.status", event=event, ids=["knock-knock"])
        told.append(status["commands"])
    assert told[0] == told[1] == [{"id": "knock-knock", "state": "absent"}]


async def test_a_status_is_pending_while_the_command_waits(
    server: Running, migrated_url: str
) -> None:
    scene = await gathering(server)
    blocker = await asyncpg.connect(migrated_url)
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", scene.event)
            waiting = await scene.admin.post("event.pause", id="waiting-1", event=scene.event)
            while not server.node.lanes.pending(scene.event, [(scene.admin.user, "waiting-1")]):
                await asyncio.sleep(0)
            status = await scene.admin.ask(
                "command.status", event=scene.event, ids=["waiting-1", "not-there-1"]
            )
            assert status["commands"] == [
                {"id": "waiting-1", "state": "pending"},
                {"id": "not-there-1", "state": "absent"},
            ]
        assert (await scene.admin.answered(waiting))["applied"]
    finally:
        await blocker.close()


# 4. Same intent, new id.


async def test_a_double_click_is_acked_as_not_applied(server: Running) -> None:
    scene = await gathering(server, 1)
    (client,) = scene.members
    proposal = await scene.propose()
    room = await client.subscribe(scene.event)
    vote: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
    first = await client.ack("vote.cast", **vote)
    second = await client.ack("vote.cast", **vote)
    assert (second["applied"], second["replayed"]) == (False, False)
    assert second["result"] == first["result"]
    assert second["seq"] == first["seq"] + 1
    await room.reached(second["seq"])
    (covering,) = (d for d in room.diffs if d["from"] < second["seq"] <= d["seq"])
    if covering["from"] == first["seq"]:
        assert covering["patch"] == {}
    assert room.state["proposals"][proposal]["agree"] == 1


# 5. Order.


async def test_commands_of_one_socket_and_event_keep_their_order(server: Running) -> None:
    one, two = await gathering(server), await gathering(server)
    client = one.admin
    await two.do("membership.approve_all")
    proposals = {one.event: await one.propose(), two.event: await two.propose()}
    other = await server.connect(two.admin.user)
    sent: list[tuple[Client, str, str]] = []
    for number in range(120):
        sender, scene = (client, one) if number % 3 else (other, two)
        id = f"ordered-{number:04d}"
        await sender.post(
            "comment.add",
            id=id,
            event=scene.event,
            proposal=proposals[scene.event],
            content=str(number),
        )
        sent.append((sender, scene.event, id))
    for sender, scene in ((client, one), (other, two)):
        wanted = [id for who, _, id in sent if who is sender]
        await sender.until(lambda s=sender, w=wanted: s.received[-1].get("id") == w[-1], "the last")  # type: ignore[misc]
        acks = [m for m in sender.of("ack") if m["id"].startswith("ordered-")]
        assert [ack["id"] for ack in acks] == wanted
        seqs = [ack["seq"] for ack in acks]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        comments = (await scene.state())["comments"].values()
        assert [c["content"] for c in sorted(comments, key=lambda c: int(c["content"]))] == [
            str(int(id[-4:])) for id in wanted
        ]


async def test_a_join_holds_what_comes_behind_it(server: Running) -> None:
    scene = await gathering(server)
    proposal = await scene.propose()
    for _ in range(5):
        client = await scene.newcomer()
        join = await client.post("membership.join", code=scene.code)
        vote = await client.post("vote.cast", event=scene.event, proposal=proposal, revision=1)
        joined, voted = await client.answered(join), await client.answered(vote)
        assert (joined["type"], voted["type"]) == ("ack", "ack"), voted
        assert joined["seq"] < voted["seq"]


async def test_events_run_in_parallel(server: Running, migrated_url: str) -> None:
    """A wait for one event's lock delays no other event."""
    stuck, free = await gathering(server), await gathering(server)
    client = await server.connect(stuck.admin.user)
    blocker = await asyncpg.connect(migrated_url)
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", stuck.event)
            waiting = await client.post("event.pause", event=stuck.event)
            made = await client.result("event.create", subject="Meanwhile")
            assert await client.ack("event.start", event=made["event"])
            assert await free.do("event.pause") == {"status": "paused"}
            assert not waiting.done()
        assert (await client.answered(waiting))["applied"]
    finally:
        await blocker.close()


# 6. A command that was accepted runs to its end even if its socket dies.


@pytest.mark.parametrize("cut", ["close", "abort"])
async def test_a_command_runs_to_its_end_though_its_socket_died(
    server: Running, migrated_url: str, cut: str
) -> None:
    scene = await gathering(server, 1)
    (client,) = scene.members
    proposals = [await scene.propose() for _ in range(5)]
    blocker = await asyncpg.connect(migrated_url)
    ids = [client.new_id() for _ in proposals]
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", scene.event)
            for id, proposal in zip(ids, proposals, strict=True):
                await client.post(
                    "vote.cast", id=id, event=scene.event, proposal=proposal, revision=1
                )
            lanes = server.node.lanes
            while not all(lanes.pending(scene.event, [(client.user, id)]) for id in ids):
                await asyncio.sleep(0)
            await (client.leave() if cut == "close" else client.drop())
        await server.node.lanes.drained()
    finally:
        await blocker.close()
    back = await server.connect(client.user)
    status = await back.ask("command.status", event=scene.event, ids=ids)
    assert [entry["state"] for entry in status["commands"]] == ["committed"] * 5
    for id, proposal in zip(ids, proposals, strict=True):
        again = await back.ack("vote.cast", id=id, event=scene.event, proposal=proposal, revision=1)
        assert again["replayed"] is True
    state = await scene.state()
    assert [state["proposals"][proposal]["agree"] for proposal in proposals] == [1] * 5


@pytest.mark.parametrize("category", ["update", "delete"])
async def test_a_conclusion_that_is_not_there_is_told_by_the_field_that_named_it(
    server: Running, category: str
) -> None:
    scene = await gathering(server)
    fields = {"content": "c"} if category == "update" else {}
    refused = await scene.admin.refused(
        *("target_gone", "proposal.create"),
        event=scene.event,
        kind="conclusion",
        category=category,
        target=await scene.item("criterion"),
        base_version=0,
        **fields,
    )
    assert refused["details"] == {"path": "target"}
