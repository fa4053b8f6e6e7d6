"""``starts_at`` and ``ends_at``: the server carries each out once, by the database's clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.promises.client import Client, Message
from tests.promises.running import Running, running
from tests.promises.scenes import Scene, by_count, gathering

HOUR = timedelta(hours=1)
Wind = Callable[[Scene, str, timedelta], Awaitable[None]]


def moment(ahead: timedelta) -> str:
    """A time in the far future, in a time zone other than UTC."""
    zone = datetime.now(UTC).astimezone().tzinfo
    return (datetime.now(zone) + ahead).isoformat()


def parsed(event: Message, name: str) -> datetime:
    """A time of ``state.event``."""
    return datetime.fromisoformat(event[name])


@pytest.fixture
async def wind(migrated_url: str) -> Wind:
    """Moves an event's time, so that a test need not wait for an hour."""

    async def move(scene: Scene, name: str, by: timedelta) -> None:
        connection = await asyncpg.connect(migrated_url)
        # The lane must not have the old time cached.
        await connection.execute(
            f"UPDATE events SET {name} = {name} + $2, epoch = epoch || 'x' WHERE id = $1",
            scene.event,
            by,
        )
        await connection.close()

    return move


async def until(server: Running, scene: Scene, status: str) -> Message:
    """``state`` once the event has this status."""
    reader = await server.connect(scene.admin.user)
    room = await reader.subscribe(scene.event)
    await reader.until(lambda: room.state["event"]["status"] == status, status)
    found: Message = room.state
    await reader.leave()
    return found


async def own_steps(url: str, scene: Scene) -> list[tuple[str, str]]:
    """The server's own steps in the event: command and id."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT command, command_id FROM journal WHERE event_id = $1 AND user_id = '' "
        "AND seq IS NOT NULL ORDER BY seq",
        scene.event,
    )
    await connection.close()
    return [tuple(row) for row in rows]


async def test_an_event_starts_and_ends_by_its_times(
    server: Running, wind: Wind, migrated_url: str
) -> None:
    scene = await gathering(
        server, 1, started=False, starts_at=moment(HOUR), ends_at=moment(2 * HOUR), options=["a"]
    )
    event = (await scene.state())["event"]
    assert parsed(event, "ends_at") - parsed(event, "starts_at") > HOUR / 2
    await wind(scene, "starts_at", -HOUR)
    state = await until(server, scene, "in_progress")
    member = scene.members[0]
    option = next(iter(state["options"]))
    await member.ack("ballot.submit", event=scene.event, option=option, criteria_rev=1)
    pending = await scene.propose()
    await wind(scene, "ends_at", -2 * HOUR)
    ended = await until(server, scene, "finished")
    assert ended["results"]["ballots"] == 1
    assert ended["proposals"][pending]["resolution"] == "event_finished"
    assert "resolved_by" not in ended["proposals"][pending]
    steps = await own_steps(migrated_url, scene)
    assert [command for command, _ in steps] == ["event.start", "event.finish"]
    assert [id.partition("-")[0] for _, id in steps] == ["start", "finish"]


async def test_two_servers_write_one_step_each(migrated_url: str, wind: Wind) -> None:
    async with running(migrated_url) as one, running(migrated_url):
        scenes = [
            await gathering(one, started=False, starts_at=moment(HOUR), ends_at=moment(2 * HOUR))
            for _ in range(4)
        ]
        for name, ago, status in (
            ("starts_at", HOUR, "in_progress"),
            ("ends_at", 2 * HOUR, "finished"),
        ):
            for scene in scenes:
                await wind(scene, name, -ago)
            for scene in scenes:
                await until(one, scene, status)
        for scene in scenes:
            steps = await own_steps(migrated_url, scene)
            assert [command for command, _ in steps] == ["event.start", "event.finish"]


async def test_times_that_came_while_no_server_ran_are_carried_out_in_order(
    migrated_url: str, wind: Wind
) -> None:
    async with running(migrated_url) as first:
        scene = await gathering(
            first, started=False, starts_at=moment(HOUR), ends_at=moment(2 * HOUR)
        )
    await wind(scene, "starts_at", -3 * HOUR)
    await wind(scene, "ends_at", -3 * HOUR)
    async with running(migrated_url) as second:
        await until(second, scene, "finished")
    steps = await own_steps(migrated_url, scene)
    assert [command for command, _ in steps] == ["event.start", "event.finish"]


async def witness(server: Running, wind: Wind) -> None:
    """Another event's start shows that the timers have looked meanwhile."""
    other = await gathering(server, started=False, starts_at=moment(HOUR))
    await wind(other, "starts_at", -HOUR)
    await until(server, other, "in_progress")


async def test_a_pause_stops_the_end(server: Running, wind: Wind) -> None:
    scene = await gathering(server, ends_at=moment(HOUR))
    before = parsed((await scene.state())["event"], "ends_at")
    await scene.do("event.pause")
    # The pause began two hours ago, and its end would have come an hour ago.
    for name in ("paused_at", "ends_at", "ends_set_at"):
        await wind(scene, name, -2 * HOUR)
    await witness(server, wind)
    assert (await scene.state())["event"]["status"] == "paused"
    await scene.do("event.resume")
    event = (await scene.state())["event"]
    assert event["status"] == "in_progress"
    assert timedelta() <= parsed(event, "ends_at") - before < HOUR / 2


async def test_an_end_that_was_set_during_a_pause_stands(server: Running) -> None:
    scene = await gathering(server, ends_at=moment(HOUR))
    await scene.do("event.pause")
    await scene.do("event.update", ends_at=moment(3 * HOUR))
    during = (await scene.state())["event"]["ends_at"]
    await scene.do("event.resume")
    assert (await scene.state())["event"]["ends_at"] == during


async def test_an_admin_who_was_first_under_the_lock_stands(server: Running, wind: Wind) -> None:
    paused, finished = [await gathering(server, ends_at=moment(HOUR)) for _ in range(2)]
    await paused.do("event.pause")
    await finished.do("event.finish")
    for scene in (paused, finished):
        await wind(scene, "ends_at", -2 * HOUR)
    await witness(server, wind)
    assert (await paused.state())["event"]["status"] == "paused"
    end = await finished.admin.send("event.finish", event=finished.event)
    assert (end["applied"], end["result"]["status"]) == (False, "finished")


async def test_what_no_schedule_can_be_is_refused(server: Running) -> None:
    scene = await gathering(server, started=False, starts_at=moment(HOUR))

    async def refused(code: str = "bad_request", **times: Any) -> str:
        answer = await scene.admin.send("event.update", event=scene.event, **times)
        assert answer["code"] == code, answer
        path: str = answer["details"]["path"]
        return path

    assert await refused(starts_at=moment(-HOUR)) == "starts_at"
    assert await refused(ends_at=moment(-HOUR)) == "ends_at"
    assert await refused(ends_at=moment(HOUR / 2)) == "ends_at"
    await scene.do("event.update", ends_at=moment(2 * HOUR))
    assert await refused(starts_at=moment(3 * HOUR)) == "starts_at"
    assert await refused(ends_at="9999-12-31T23:59:59-12:00") == "ends_at"
    for text in ("tomorrow", "2126-11-23T08:00:00", 5, True):
        assert await refused(ends_at=text) == "ends_at"
    made = await scene.admin.send(
        "event.create", subject="s", starts_at=moment(HOUR), ends_at=moment(HOUR / 2)
    )
    assert (made["code"], made["details"]["path"]) == ("bad_request", "ends_at")
    await scene.do("event.update", starts_at=None)
    await scene.do("event.update", starts_at=None)
    event = (await scene.state())["event"]
    assert "starts_at" not in event
    await scene.do("event.start")
    assert await refused("invalid_transition", starts_at=moment(HOUR)) == "starts_at"
    await scene.do("event.update", ends_at="9998-01-01T00:00:00Z")


async def test_nobody_starts_an_event_whose_end_has_passed(server: Running, wind: Wind) -> None:
    scene = await gathering(server, started=False, ends_at=moment(HOUR))
    await wind(scene, "ends_at", -2 * HOUR)
    refused = await scene.admin.send("event.start", event=scene.event)
    assert (refused["code"], refused["details"]["path"]) == ("invalid_transition", "ends_at")
    await scene.do("event.update", ends_at=None)
    await scene.do("event.start")


async def test_a_vote_and_the_end_are_decided_in_one_order(server: Running, wind: Wind) -> None:
    """A vote decided before the server's step counts; a later one is refused."""
    scene = await gathering(server, 1, policy=by_count(1), ends_at=moment(HOUR))
    proposal = await scene.propose()
    voter: Client = scene.members[0]
    await wind(scene, "ends_at", -2 * HOUR)
    answer = await scene.vote(voter, proposal)
    ended = await until(server, scene, "finished")
    accepted = answer.get("result", {}).get("status") == "accepted"
    assert accepted or answer["code"] == "event_finished"
    assert (ended["proposals"][proposal]["status"] == "accepted") == accepted


async def test_a_reopened_event_ends_again_only_by_a_new_end(
    server: Running, wind: Wind, migrated_url: str
) -> None:
    scene = await gathering(server, ends_at=moment(HOUR))
    await wind(scene, "ends_at", -2 * HOUR)
    await until(server, scene, "finished")
    await scene.do("event.reopen")
    await witness(server, wind)
    event = (await scene.state())["event"]
    assert (event["status"], event.get("ends_at")) == ("in_progress", None)
    await scene.do("event.update", ends_at=moment(HOUR))
    await wind(scene, "ends_at", -2 * HOUR)
    await until(server, scene, "finished")
    steps = await own_steps(migrated_url, scene)
    assert [command for command, _ in steps] == ["event.finish"] * 2
