"""Timers: expiry and opening happen once, by the database's clock, under every fault."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg
import pytest

from handlers.lanes.decide import Submission, failed
from handlers.lanes.lanes import Lanes
from handlers.rules.timers import ProposalMature
from protocol.errors import ErrorCode, RetryableError
from server.services.timers import Timers
from tests.promises.client import PATIENCE, Message
from tests.promises.running import Running, running
from tests.promises.scenes import Scene, by_count, gathering

Wind = Callable[[str, str, int], Awaitable[None]]


@pytest.fixture
async def wind(migrated_url: str) -> Wind:
    """Moves a proposal's times by seconds, so that a test need not wait for an hour."""

    async def move(proposal: str, field: str, seconds: int) -> None:
        connection = await asyncpg.connect(migrated_url)
        await connection.execute(
            f"UPDATE proposals SET {field} = {field} + make_interval(secs => $2) WHERE id = $1",
            proposal,
            seconds,
        )
        # The lane must not have the old time cached.
        await connection.execute(
            "UPDATE events SET epoch = epoch || 'x' WHERE id IN "
            "(SELECT event_id FROM proposals WHERE id = $1)",
            proposal,
        )
        await connection.close()

    return move


async def resolved(scene: Scene, proposal: str) -> Message:
    """The proposal once it is decided."""
    reader = await scene.server.connect(scene.admin.user)
    room = await reader.subscribe(scene.event)
    await reader.until(lambda: room.state["proposals"][proposal]["status"] != "pending")
    found: Message = room.state["proposals"][proposal]
    await reader.leave()
    return found


async def lines_of_the_server(url: str, event: str) -> list[str]:
    """Ids of the server's own steps."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT command_id FROM journal WHERE event_id = $1 AND user_id = ''", event
    )
    await connection.close()
    return [row["command_id"] for row in rows]


def timed(**seconds: Any) -> Message:
    """A policy of two votes, with times."""
    return by_count(2) | seconds


async def test_a_proposal_expires(server: Running, wind: Wind, migrated_url: str) -> None:
    scene = await gathering(server, 1, policy=timed(ttl_seconds=3_600))
    proposal = await scene.propose()
    await wind(proposal, "expires_at", -3_600)
    found = await resolved(scene, proposal)
    assert (found["status"], found["resolution"]) == ("rejected", "expired")
    assert "resolved_by" not in found
    assert await lines_of_the_server(migrated_url, scene.event) == [f"expire-{proposal}"]


async def test_votes_before_the_opening_count_at_the_opening(server: Running, wind: Wind) -> None:
    scene = await gathering(server, 1, policy=timed(min_open_seconds=3_600))
    proposal = await scene.propose()
    for client in scene.everyone:
        assert (await scene.vote(client, proposal))["result"]["status"] == "pending"
    await wind(proposal, "opens_at", -3_600)
    assert (await resolved(scene, proposal))["resolution"] == "auto_votes"


async def test_an_opening_that_could_not_be_decided_is_asked_for_again(
    server: Running, wind: Wind, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 1, policy=timed(min_open_seconds=3_600))
    proposal = await scene.propose()
    for client in scene.everyone:
        await scene.vote(client, proposal)
    submit, asked = Lanes.submit, asyncio.Event()

    def noted(lanes: Lanes, event: str, submission: Submission) -> None:
        submit(lanes, event, submission)
        if isinstance(submission.command, ProposalMature):
            asked.set()

    monkeypatch.setattr(Lanes, "submit", noted)
    with monkeypatch.context() as full:
        full.setattr("handlers.lanes.lanes.MAX_LANE_COMMANDS", 0)
        await wind(proposal, "opens_at", -3_600)
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
    assert (await resolved(scene, proposal))["resolution"] == "auto_votes"


async def test_an_expired_proposal_does_not_pass(server: Running, wind: Wind) -> None:
    scene = await gathering(server, 1, policy=timed(ttl_seconds=3_600))
    proposal = await scene.propose()
    await scene.vote(scene.admin, proposal)
    await wind(proposal, "expires_at", -3_600)
    answer = await scene.vote(scene.members[0], proposal)
    # The proposal was not accepted, whether the timer or the vote came first.
    assert answer.get("code", "pending") in ("pending", "proposal_closed")
    assert (await resolved(scene, proposal))["resolution"] == "expired"


async def test_what_fell_due_while_no_server_ran_happens_at_the_start(
    migrated_url: str, wind: Wind
) -> None:
    async with running(migrated_url) as first:
        scene = await gathering(first, 1, policy=timed(ttl_seconds=3_600, min_open_seconds=60))
        late, ripe = await scene.propose(), await scene.propose()
        for client in scene.everyone:
            await scene.vote(client, ripe)
        event, admin = scene.event, scene.admin.user
    await wind(late, "expires_at", -3_600)
    await wind(ripe, "opens_at", -60)
    async with running(migrated_url) as second:
        client = await second.connect(admin)
        room = await client.subscribe(event)
        await client.until(
            lambda: all(room.state["proposals"][p]["status"] != "pending" for p in (late, ripe))
        )
        assert room.state["proposals"][late]["resolution"] == "expired"
        assert room.state["proposals"][ripe]["resolution"] == "auto_votes"


async def test_more_proposals_than_one_look_sees_may_open_at_the_same_moment(
    migrated_url: str, wind: Wind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.services.timers.MAX_DUE", 1)
    async with running(migrated_url) as first:
        scene = await gathering(first, 1, policy=timed(min_open_seconds=60))
        proposals = [await scene.propose() for _ in range(3)]
        for proposal in proposals:
            for client in scene.everyone:
                await scene.vote(client, proposal)
        event, admin = scene.event, scene.admin.user
    connection = await asyncpg.connect(migrated_url)
    earliest = "SELECT min(opens_at) FROM proposals WHERE event_id = $1"
    await connection.execute(
        f"UPDATE proposals SET opens_at = ({earliest}) WHERE event_id = $1", event
    )
    await connection.close()
    for proposal in proposals:
        # Longer ago than the window that each tick scans again.
        await wind(proposal, "opens_at", -3_600)
    async with running(migrated_url) as second:
        client = await second.connect(admin)
        room = await client.subscribe(event)
        await client.until(
            lambda: all(room.state["proposals"][p]["status"] == "accepted" for p in proposals)
        )


async def test_two_servers_write_one_step(migrated_url: str, wind: Wind) -> None:
    async with running(migrated_url) as one, running(migrated_url) as other:
        scene = await gathering(one, 1, policy=timed(ttl_seconds=3_600))
        proposals = [await scene.propose() for _ in range(5)]
        for proposal in proposals:
            await wind(proposal, "expires_at", -3_600)
        for proposal in proposals:
            await resolved(scene, proposal)
        assert other.node.lanes is not one.node.lanes
        written = await lines_of_the_server(migrated_url, scene.event)
    assert sorted(written) == sorted(f"expire-{proposal}" for proposal in proposals)


async def test_a_pause_shifts_what_lies_ahead_by_its_length(server: Running) -> None:
    scene = await gathering(server, 1, policy=timed(ttl_seconds=3_600, min_open_seconds=60))
    proposal = await scene.propose()
    room = await scene.admin.subscribe(scene.event)
    before = dict(room.state["proposals"][proposal])
    await scene.do("event.pause")
    await scene.do("event.resume")
    ack = await scene.admin.ack("event.pause", event=scene.event)
    await room.reached(ack["seq"])
    after = room.state["proposals"][proposal]
    assert after["opens_at"] > before["opens_at"]
    assert after["expires_at"] > before["expires_at"]


async def test_nothing_expires_while_the_event_is_paused(server: Running, wind: Wind) -> None:
    scene = await gathering(server, 1, policy=timed(ttl_seconds=3_600))
    proposal = await scene.propose()
    await scene.do("event.pause")
    await wind(proposal, "expires_at", -7_200)
    # Another event's expiry shows that the timers have looked meanwhile.
    other = await gathering(server, 1, policy=timed(ttl_seconds=3_600))
    witness = await other.propose()
    await wind(witness, "expires_at", -3_600)
    await resolved(other, witness)
    assert (await scene.state())["proposals"][proposal]["status"] == "pending"
    await scene.do("event.resume")
    assert (await resolved(scene, proposal))["resolution"] == "expired"


async def test_what_is_over_in_paused_events_keeps_nothing_from_expiring(
    migrated_url: str, wind: Wind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.services.timers.MAX_DUE", 2)
    async with running(migrated_url) as server:
        paused = await gathering(server, 1, policy=timed(ttl_seconds=3_600))
        stay = [await paused.propose() for _ in range(5)]
        await paused.do("event.pause")
        for proposal in stay:
            await wind(proposal, "expires_at", -7_200)
        scene = await gathering(server, 1, policy=timed(ttl_seconds=3_600))
        # Just now, and so long ago that only the slow round finds it.
        for seconds in (3_600, 3_700, 9_000):
            proposal = await scene.propose()
            await wind(proposal, "expires_at", -seconds)
            assert (await resolved(scene, proposal))["resolution"] == "expired"
        held = (await paused.state())["proposals"]
        assert {held[proposal]["status"] for proposal in stay} == {"pending"}


async def test_a_lowered_quorum_passes_what_waited_for_it(server: Running) -> None:
    scene = await gathering(server, 3, policy=timed(quorum_percent=100))
    proposal = await scene.propose()
    for client in scene.everyone[:2]:
        await scene.vote(client, proposal)
    preview = await scene.admin.ask(
        "event.preview_policy", event=scene.event, policy={"quorum_percent": 50}
    )
    assert preview["would_accept"] == [proposal]
    set_to = await scene.do("event.set_policy", policy_version=1, policy={"quorum_percent": 50})
    assert set_to["accepted"] == [proposal]


class _Unable:
    """Lanes that decide nothing: the events are locked, or the database is away."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def submit(self, event: str, submission: Submission) -> None:
        self.asked.append(submission.command.proposal)  # type: ignore[attr-defined]
        submission.respond(failed(submission, RetryableError(ErrorCode.BUSY)))


async def test_openings_beyond_what_is_remembered_are_asked_for_again(
    server: Running, wind: Wind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any number of undecided proposals, none waits for a restart."""
    monkeypatch.setattr("server.services.timers.MAX_RETRIED", 1)
    await server.node._timers.task.stop()
    scene = await gathering(server, 3, policy=timed(min_open_seconds=3_600))
    made = [await scene.propose(by) for by in scene.everyone]
    for proposal in made:
        await wind(proposal, "opens_at", -3_600)
    lanes = _Unable()
    timers = Timers(server.node.database, cast("Lanes", lanes))
    for _ in range(3):
        lanes.asked.clear()
        await timers._tick()
        assert set(made) <= set(lanes.asked)
    assert len(timers._again) == 1
