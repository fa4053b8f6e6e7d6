"""Limits of repeated acts of one user in one event, over all sockets and HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fixtures.servers import Start
from tests.promises.client import Client, Message
from tests.promises.http_caller import caller
from tests.promises.scenes import Scene, by_count, fresh, gathering

#: Small, so that a test needs few commands; it never takes a minute.
SMALL = {"churn_membership": 3, "churn_votes": 4, "churn_comments": 5}
DEFAULTS = {"churn_membership": 6, "churn_votes": 60, "churn_comments": 60}


@pytest.fixture(autouse=True)
def long_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute that never ends during a test, however busy the machine is."""
    monkeypatch.setattr("server.limits.churn.CHURN_PERIOD_S", 1e6)


def codes(answers: list[Message]) -> list[str]:
    """The outcome of each command: ``ack``, or the error's code."""
    return [str(answer.get("code") or answer["type"]) for answer in answers]


async def cast_and_retract(client: Client, scene: Scene, proposal: str, times: int) -> list[str]:
    """Vote and retract, ``count`` times."""
    given = {"event": scene.event, "proposal": proposal}
    answers = []
    for number in range(times):
        if number % 2:
            answers.append(await client.send("vote.retract", **given))
        else:
            answers.append(await client.send("vote.cast", revision=1, **given))
    return codes(answers)


async def test_votes_on_one_proposal_are_bounded_over_all_sockets_and_http(start: Start) -> None:
    server = await start(**SMALL)
    scene = await gathering(server, 1)
    (first,) = scene.members
    other = await server.connect(first.user)
    proposal, second = await scene.propose(), await scene.propose()
    found = await cast_and_retract(first, scene, proposal, 2)
    found += await cast_and_retract(other, scene, proposal, 2)
    assert found == ["ack"] * 4
    over = await first.refused(
        "rate_limited", "vote.cast", event=scene.event, proposal=proposal, revision=1
    )
    assert over["effect"] == "none"
    assert over["retry"] == "same"
    assert over["retry_after_ms"] > 0
    async with caller(server, first.user) as http:
        answer = await http.post(
            "/commands",
            json={
                "type": "vote.retract",
                "id": "over-http",
                "event": scene.event,
                "proposal": proposal,
            },
        )
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    # Other proposals and other users are not affected.
    assert await cast_and_retract(first, scene, second, 1) == ["ack"]
    assert await cast_and_retract(scene.admin, scene, proposal, 1) == ["ack"]
    # Commands beyond the limit were neither decided nor remembered.
    status = await first.ask("command.status", event=scene.event, ids=[over["id"], "over-http"])
    assert [entry["state"] for entry in status["commands"]] == ["absent", "absent"]


async def test_comments_are_bounded_whatever_is_done_with_them(start: Start) -> None:
    server = await start(**SMALL)
    scene = await gathering(server, 1)
    (member,) = scene.members
    proposal = await scene.propose()
    given: dict[str, Any] = {"event": scene.event, "proposal": proposal}
    comment = (await member.result("comment.add", content="one", **given))["comment"]
    await member.result(
        "comment.edit", event=scene.event, comment=comment, version=1, content="two"
    )
    await member.result("comment.remove", event=scene.event, comment=comment)
    for _ in range(2):
        await member.result("comment.add", content="more", **given)
    await member.refused("rate_limited", "comment.add", content="too much", **given)
    await scene.admin.result("comment.add", content="an answer", **given)


async def test_joining_and_going_back_is_bounded(start: Start) -> None:
    server = await start(**SMALL)
    scene = await gathering(server, policy={"membership_auto": False})
    fickle = await scene.newcomer()
    found = []
    for _ in range(3):
        found.append(await fickle.send("membership.join", code=scene.code))
        found.append(await fickle.send("membership.cancel", event=scene.event))
    assert codes(found)[:3] == ["ack"] * 3
    assert set(codes(found)[3:]) == {"rate_limited"}
    moved = (await scene.admin.ack("event.rotate_code", event=scene.event))["seq"]
    room = await scene.admin.subscribe(scene.event)
    assert room.seq == moved
    # In other events the user has the whole limit.
    other = await gathering(server)
    await other.join(fickle)


async def test_a_repeat_is_no_churn_and_gets_its_ack(start: Start) -> None:
    server = await start(**SMALL)
    scene = await gathering(server, 1)
    (member,) = scene.members
    proposal = await scene.propose()
    vote: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
    first = await member.ack("vote.cast", id="the-first-vote", **vote)
    assert await cast_and_retract(member, scene, proposal, 5) == ["ack"] * 3 + ["rate_limited"] * 2
    for _ in range(3):
        again = await member.ack("vote.cast", id="the-first-vote", **vote)
        assert (again["seq"], again["replayed"]) == (first["seq"], True)


async def test_a_repeat_that_is_not_remembered_here_gets_its_ack_after_the_wait(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer came from another server, or long ago: the limit cannot know it."""
    one = await start(**SMALL)
    monkeypatch.setattr("server.limits.churn.CHURN_PERIOD_S", 60.0)
    two = await start(churn_votes=240)
    scene = await gathering(one, 1)
    (member,) = scene.members
    proposal = await scene.propose()
    vote: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
    first = await member.ack("vote.cast", id="elsewhere", **vote)
    other = await two.connect(member.user)
    assert set(await cast_and_retract(other, scene, proposal, 241)) >= {"ack"}
    answer = await other.send("vote.cast", id="elsewhere", **vote)
    while answer["type"] == "error":
        assert answer["code"] == "rate_limited"
        await asyncio.sleep(answer["retry_after_ms"] / 1000)
        answer = await other.send("vote.cast", id="elsewhere", **vote)
    assert (answer["seq"], answer["replayed"]) == (first["seq"], True)


async def test_the_defaults_leave_people_alone(start: Start) -> None:
    server = await start(**DEFAULTS)
    scene = await gathering(server, 1, policy=by_count(50))
    (member,) = scene.members
    proposal = await scene.propose()
    found = await cast_and_retract(member, scene, proposal, 60)
    assert found == ["ack"] * 60


async def test_zero_lifts_them(start: Start) -> None:
    server = await start(churn_membership=0, churn_votes=0, churn_comments=0)
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    assert set(await cast_and_retract(scene.members[0], scene, proposal, 80)) == {"ack"}


async def test_what_a_user_stores_in_a_day_is_bounded(start: Start) -> None:
    server = await start(user_bytes_per_day=20_000)
    maker = await server.connect(fresh("maker"))
    found = [
        await maker.send("event.create", subject="Mine", options=["x" * 200] * 15)
        for _ in range(10)
    ]
    assert 3 <= codes(found).count("ack") <= 6
    assert codes(found)[-1] == "rate_limited"
    assert found[-1]["retry_after_ms"] > 1_000
    # Another user's limit is untouched.
    await gathering(server)


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_the_defaults_are_those_of_the_documentation(name: str) -> None:
    from server.config.settings import Settings

    assert getattr(Settings(), name) == DEFAULTS[name]


async def test_many_at_once_are_counted_one_by_one(start: Start) -> None:
    server = await start(**SMALL)
    scene = await gathering(server, 1)
    user = scene.members[0].user
    clients = [await server.connect(user) for _ in range(4)]
    proposal = await scene.propose()
    given: dict[str, Any] = {"event": scene.event, "proposal": proposal, "revision": 1}
    posted = [await c.post("vote.cast", **given) for c in clients for _ in range(5)]
    found = codes([await clients[0].answered(future) for future in posted])
    assert found.count("ack") == 4
    assert found.count("rate_limited") == 16
