"""Faults below the protocol: bad writes, broken handlers, locks, lost sessions, lost COMMITs."""

from __future__ import annotations

import asyncio
import random

import asyncpg
import pytest

from handlers.commands import registry
from handlers.lanes import alone, deadlines
from handlers.lanes.deadlines import COMMAND_TIMEOUT_S
from handlers.lanes.decide import Answer, Submission
from server.sessions.session import Session
from tests.promises.client import Client, Message
from tests.promises.commands.faulting import comments, held, one_batch
from tests.promises.running import Running, running
from tests.promises.scenes import by_count, gathering
from tests.promises.tables import agree_with_the_tables, journal

registry.check()


@pytest.mark.usefixtures("spoiled")
@pytest.mark.parametrize("bad", ["poison", "boom"])
async def test_a_bad_command_gets_internal_and_its_neighbours_never_notice(
    server: Running, migrated_url: str, bad: str
) -> None:
    scene = await gathering(server, 3)
    proposal = await scene.propose()
    (room,) = await scene.watch(scene.admin)
    words = [bad if number in (3, 4, 11) else f"good{number}" for number in range(14)]
    answers = await one_batch(server, migrated_url, scene, comments(scene, proposal, words))
    for word, answer in zip(words, answers, strict=True):
        if word == bad:
            assert (answer["type"], answer.get("code")) == ("error", "internal")
            assert (answer["effect"], answer["retry"]) == ("unknown", "same")
        else:
            assert (answer["type"], answer.get("applied")) == ("ack", True), answer
    acks = [answer for answer in answers if answer["type"] == "ack"]
    for number in range(3):
        seqs = [answer["seq"] for answer in answers[number::3] if answer["type"] == "ack"]
        assert seqs == sorted(seqs)
    await agree_with_the_tables(migrated_url, scene.event, acks)
    await room.reached(max(ack["seq"] for ack in acks))
    shown = [comment["content"] for comment in room.state["comments"].values()]
    assert sorted(shown) == sorted(word for word in words if word != bad)
    assert room.state["counts"]["comments"] == 11
    assert (await scene.state()) == room.state


@pytest.mark.usefixtures("spoiled")
async def test_what_was_internal_may_be_sent_again(server: Running) -> None:
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    given: Message = {"event": scene.event, "proposal": proposal, "content": "boom"}
    for _ in range(2):
        await scene.admin.refused("internal", "comment.add", id="again-001", **given)
    assert (await scene.admin.ack("event.pause", event=scene.event))["applied"]


async def test_a_locked_event_is_busy_and_the_others_go_on(
    server: Running, migrated_url: str
) -> None:
    stuck, free = await gathering(server, 1), await gathering(server)
    loop = asyncio.get_running_loop()
    client = stuck.members[0]
    proposal = await stuck.propose()
    vote: Message = {"id": "stuck-001", "event": stuck.event, "proposal": proposal, "revision": 1}
    async with held(migrated_url, stuck.event):
        begun = loop.time()
        waiting = await client.post("vote.cast", **vote)
        behind = await client.post("comment.add", id="stuck-002", event=stuck.event,
                                   proposal=proposal, content="behind it")  # fmt: skip
        # As fast as the others may go, and no faster.
        while not (await asyncio.wait({waiting}, timeout=0.02))[0]:
            await free.do("event.rotate_code")
            assert (await client.ask("ping"))["type"] == "pong"
        took = loop.time() - begun
        answer = await client.answered(waiting)
        assert (answer["code"], answer["effect"], answer["retry"]) == ("busy", "none", "same")
        assert answer["retry_after_ms"] > 0
        assert took > COMMAND_TIMEOUT_S * 0.9
        late = await client.answered(behind)
        assert late["code"] == "busy"
    # A command answered "busy" decided nothing: the same id may be sent again.
    assert (await stuck.state())["comments"] == {}
    again = await client.ack("vote.cast", **vote)
    assert (again["applied"], again["replayed"]) == (True, False)


async def test_all_sessions_killed_while_people_vote(server: Running, migrated_url: str) -> None:
    scene = await gathering(server, 6, policy=by_count(99))
    proposals = [await scene.propose() for _ in range(10)]
    (room,) = await scene.watch(scene.admin)
    rng = random.Random(4)
    acked = 0
    enough = asyncio.Event()

    async def vote(client: Client) -> list[Message]:
        nonlocal acked
        answers = []
        for proposal in proposals:
            for type_, extra in (
                ("vote.cast", {"revision": 1}),
                ("vote.retract", {}),
                ("vote.cast", {"revision": 1}),
            ):
                fields = {"event": scene.event, "proposal": proposal} | extra
                id = client.new_id()
                answer = await client.send(type_, id=id, **fields)
                while answer["type"] == "error" and answer["retry"] == "same":
                    await asyncio.sleep(answer.get("retry_after_ms", 0) / 1000)
                    answer = await client.send(type_, id=id, **fields)
                answers.append(answer)
                acked += 1
                enough.set()
        return answers

    async def kill() -> int:
        """Kill by their progress: by the clock, a slow machine would never have any."""
        killer = await asyncpg.connect(migrated_url)
        killed = 0
        while acked < 6 * 10 * 3:
            killed += await killer.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            wanted = min(acked + rng.randrange(1, 30), 6 * 10 * 3)
            while acked < wanted:
                enough.clear()
                await enough.wait()
        await killer.close()
        return killed

    killing = asyncio.create_task(kill())
    answers = [a for part in await asyncio.gather(*(vote(m) for m in scene.members)) for a in part]
    assert await killing > 3
    assert all(answer["type"] == "ack" for answer in answers)
    assert all(answer["applied"] for answer in answers)
    await agree_with_the_tables(migrated_url, scene.event, answers)
    lines = await journal(migrated_url, scene.event)
    votes = [line for line in lines if line["command"].startswith("vote.")]
    assert len(votes) == 6 * 10 * 3
    await room.reached(lines[-1]["seq"])
    assert {room.state["proposals"][proposal]["agree"] for proposal in proposals} == {6}


async def test_what_follows_a_repeated_create_waits_for_the_held_event(
    server: Running, migrated_url: str
) -> None:
    client = await server.connect("maker-of-one")
    create = {"id": "create-it-1", "subject": "Held"}
    event = (await client.result("event.create", **create))["event"]
    async with held(migrated_url, event) as holder:
        again = client.expect(create["id"])
        update = client.expect("update-it-1")
        await client.say(
            [
                {"type": "event.create", **create},
                {"type": "event.update", "id": "update-it-1", "event": event, "max_members": 7},
            ]
        )
        # Until it waits for the lock, or was answered without it.
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not (update.done() or await holder.fetchval(waits)):
            await asyncio.sleep(0.01)
    assert (await client.answered(again))["replayed"] is True
    assert (await client.answered(update))["applied"] is True


async def test_what_waits_behind_a_held_event_is_told_busy_in_its_own_time(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each within its budget from its arrival, not from the end of the batch before it."""
    budget, gap, slack = 2.0, 0.5, 1.2
    monkeypatch.setattr(deadlines, "COMMAND_TIMEOUT_S", budget)
    async with running(migrated_url) as server:
        scene = await gathering(server, 1)
        loop = asyncio.get_running_loop()

        async def busy_after(number: int) -> float:
            await asyncio.sleep(number * gap)
            begun = loop.time()
            fields = {"event": scene.event}
            answer = await scene.admin.refused("busy", "event.rotate_code", **fields)
            assert answer["retry_after_ms"] > 0
            return loop.time() - begun

        async with held(migrated_url, scene.event):
            waits = await asyncio.gather(*(busy_after(number) for number in range(6)))
        assert all(
            budget - alone.EXPIRY_INTERVAL_S - 0.1 < wait < budget + slack for wait in waits
        ), waits
        # It is not remembered: the same command may be tried again.
        await scene.admin.ack("event.rotate_code", event=scene.event)


async def test_an_answer_that_cannot_be_given_costs_nobody_else_theirs(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answered = Session._on_answer

    def failing(self: Session, submission: Submission, answer: Answer) -> None:
        if submission.command.id == "0-cannot-be-told":
            raise LookupError("a defect of the receiver")
        answered(self, submission, answer)

    monkeypatch.setattr(Session, "_on_answer", failing)
    # At the end the socket waits in vain for its answer.
    async with running(migrated_url, drain_seconds=1) as server:
        scene = await gathering(server, 1)
        proposal = await scene.propose()
        at: Message = {"event": scene.event, "proposal": proposal, "content": "said"}
        async with held(migrated_url, scene.event):
            # The first goes alone; those behind it are one batch.
            first = await scene.admin.post("event.rotate_code", event=scene.event)
            await scene.admin.post("comment.add", id="0-cannot-be-told", **at)
            others = [await scene.admin.post("comment.add", **at) for _ in range(3)]
            while server.node.lanes.waiting() != 5:
                await asyncio.sleep(0)
        for future in (first, *others):
            assert (await scene.admin.answered(future))["type"] == "ack"
    assert "an answer could not be given" in caplog.text
