"""A COMMIT whose answer is lost is looked up; only what is known to be stored gets an ack."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.promises.client import PATIENCE, Client, Message
from tests.promises.commands.faulting import comments, held, one_batch
from tests.promises.proxy import Mode, proxy_before
from tests.promises.running import running
from tests.promises.scenes import by_count, gathering
from tests.promises.tables import agree_with_the_tables, journal


@pytest.mark.parametrize("mode", ["before", "after"])
async def test_a_commit_whose_answer_is_lost(migrated_url: str, mode: Mode) -> None:
    """The lane looks it up, and everybody gets the answer that was decided, once as the first."""
    async with proxy_before(migrated_url) as proxy, running(proxy.url) as server:
        scene = await gathering(server, 4, policy=by_count(99))
        room, *_ = await scene.watch(scene.admin, *scene.members)
        proposals = [await scene.propose() for _ in range(8)]
        for proposal in proposals:
            proxy.fail(mode)
            commands: list[tuple[Client, Message]] = [
                (
                    member,
                    {
                        "type": "vote.cast",
                        "id": f"{member.user}-{proposal}",
                        "proposal": proposal,
                        "revision": 1,
                    },
                )
                for member in scene.members
            ]
            answers = await asyncio.gather(
                *(client.send(event=scene.event, **command) for client, command in commands)
            )
            assert proxy.mode == "through"
            for answer in answers:
                assert (answer["type"], answer.get("applied")) == ("ack", True), answer
                assert answer["replayed"] is False
            # A repeat has one effect, even if the first command met a fault.
            for (client, command), first in zip(commands, answers, strict=True):
                again = await client.ack(event=scene.event, **command)
                assert again == first | {"replayed": True}
            await agree_with_the_tables(migrated_url, scene.event, answers)
        assert proxy.cuts == len(proposals)
        top = (await journal(migrated_url, scene.event))[-1]["seq"]
        await room.reached(top)
        assert {room.state["proposals"][p]["agree"] for p in proposals} == {4}
        covered = [(diff["from"], diff["seq"]) for diff in room.diffs]
        assert all(a[1] == b[0] for a, b in itertools.pairwise(covered))


async def test_a_repeat_in_the_batch_of_a_lost_commit_is_still_a_repeat(migrated_url: str) -> None:
    async with proxy_before(migrated_url) as proxy, running(proxy.url) as server:
        scene = await gathering(server, 2)
        proposal = await scene.propose()
        (old,) = await one_batch(server, migrated_url, scene, comments(scene, proposal, ["old"]))
        assert old["replayed"] is False
        fresh = comments(scene, proposal, ["old", "new"])
        repeated = [*fresh, fresh[1]]
        posted = []
        async with held(migrated_url, scene.event):
            await scene.admin.post("event.rotate_code", event=scene.event)
            for client, command in repeated:
                posted.append((client, await client.post(event=scene.event, **command)))
            for client, command in repeated:
                while not server.node.lanes.pending(scene.event, [(client.user, command["id"])]):
                    await asyncio.sleep(0)
            proxy.fail("after")
        answers = [await client.answered(future) for client, future in posted]
        assert proxy.cuts == 1
        # Both of the new one, or the rotation alone, were in the lost COMMIT.
        assert [answer["replayed"] for answer in answers] == [True, False, True]
        assert answers[0] == old | {"replayed": True}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are given up early, so that the test is short."""
    monkeypatch.setattr("handlers.lanes.deadlines.COMMAND_TIMEOUT_S", 1.0)


@pytest.mark.usefixtures("impatient")
async def test_a_commit_on_a_frozen_link_is_looked_up_on_another(migrated_url: str) -> None:
    async with proxy_before(migrated_url) as proxy, running(proxy.url) as server:
        scene = await gathering(server, 1)
        proposal = await scene.propose()
        proxy.fail("frozen")
        async with asyncio.timeout(PATIENCE):
            ack = await scene.vote(scene.members[0], proposal)
        assert (ack["type"], ack["applied"], ack["replayed"]) == ("ack", True, False)
        await agree_with_the_tables(migrated_url, scene.event, [ack])


@pytest.mark.usefixtures("impatient")
async def test_a_commit_that_nobody_can_look_up_is_unknown_and_settled_later(
    migrated_url: str,
) -> None:
    async with proxy_before(migrated_url) as proxy, running(proxy.url) as server:
        scene = await gathering(server, 2)
        one, two = scene.members
        proposal = await scene.propose()
        vote: Message = {"event": scene.event, "proposal": proposal, "revision": 1}
        room = await scene.admin.subscribe(scene.event)
        proxy.fail("stopped")
        async with asyncio.timeout(PATIENCE):
            first = await one.post("vote.cast", id="frozen-01", **vote)
            while not proxy.cuts:
                await asyncio.sleep(0.01)
            behind = await two.post("vote.cast", id="behind-01", **vote)
            unknown, clear = await one.answered(first), await two.answered(behind)
        assert (unknown["code"], unknown["effect"], unknown["retry"]) == (
            "commit_unknown",
            "unknown",
            "same",
        )
        assert (clear["code"], clear["effect"], clear["retry"]) == ("overloaded", "none", "same")
        proxy.thaw()
        ack = await one.ack("vote.cast", id="frozen-01", **vote)
        assert (ack["applied"], ack["replayed"]) == (True, True)
        later = await two.ack("vote.cast", id="behind-01", **vote)
        assert (later["applied"], later["replayed"]) == (True, False)
        await room.reached(later["seq"])
        assert room.state["proposals"][proposal]["agree"] == 2


@pytest.mark.usefixtures("impatient")
async def test_a_database_out_of_reach_is_overloaded_and_nothing_is_acked(
    migrated_url: str,
) -> None:
    async with proxy_before(migrated_url) as proxy, running(proxy.url) as server:
        scene = await gathering(server, 1)
        room = await scene.admin.subscribe(scene.event)
        proposal = await scene.propose()
        proxy.refuse()
        vote: Message = {
            "id": "no-reach1",
            "event": scene.event,
            "proposal": proposal,
            "revision": 1,
        }
        answer = await scene.members[0].send("vote.cast", **vote)
        assert (answer["code"], answer["effect"]) == ("overloaded", "none")
        listing = await scene.admin.request({"type": "events.list"})
        assert listing["code"] == "overloaded"
        proxy.thaw()
        ack = await scene.members[0].ack("vote.cast", **vote)
        assert (ack["applied"], ack["replayed"]) == (True, False)
        await room.reached(ack["seq"])
