"""Members who come, go and change their roles while others vote or decide."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.promises.at_once.rounds import ROUNDS, admins, cast, codes
from tests.promises.client import Message, together
from tests.promises.running import Running
from tests.promises.scenes import Scene, by_count, gathering

# A member leaves or is removed.


@pytest.mark.parametrize("how", ["leaves", "is removed"])
async def test_who_goes_takes_the_votes_along_in_one_diff(server: Running, how: str) -> None:
    scene = await gathering(
        server, 3, policy={"assumption": {"auto": True, "rule": "percent", "threshold": 60}}
    )
    one, two, goes = scene.members
    mine = await scene.propose(goes)
    passing = await scene.propose()  # 2 of 4 is not enough, 2 of 3 is
    for voter in (one, two):
        await scene.vote(voter, passing)
    for proposal in (mine,):
        await scene.vote(goes, proposal)
    (room,) = await scene.watch(scene.admin)
    assert room.state["proposals"][mine]["agree"] == 1
    if how == "leaves":
        ack = await goes.ack("membership.leave", event=scene.event)
    else:
        ack = await scene.admin.ack("membership.remove", event=scene.event, user=goes.user)
    await room.reached(ack["seq"])
    (diff,) = room.diffs
    assert (diff["from"], diff["seq"]) == (ack["seq"] - 1, ack["seq"])
    assert room.state["counts"]["members"] == 3
    assert room.state["proposals"][mine]["agree"] == 0
    assert room.state["proposals"][mine]["status"] == "pending"
    decided = room.state["proposals"][passing]
    assert (decided["status"], decided["decision"]["eligible"]) == ("accepted", 3)
    # They rejoin: they vote again.
    await scene.join(goes)
    if how == "is removed":
        await scene.do("membership.approve", user=goes.user)
    again = await cast(goes, scene, mine)
    assert (again["applied"], again["result"]["agree"]) == (True, 1)


async def test_votes_of_who_goes_at_the_same_moment_count_or_not_but_never_half(
    server: Running,
) -> None:
    for _ in range(ROUNDS):
        scene = await gathering(server, 3, policy=by_count(3))
        one, two, goes = scene.members
        proposal = await scene.propose()
        await scene.vote(one, proposal)
        voted, _, again = await together(
            cast(goes, scene, proposal),
            scene.admin.ack("membership.remove", event=scene.event, user=goes.user),
            cast(two, scene, proposal),
        )
        state = await scene.state()
        shown = state["proposals"][proposal]
        if shown["status"] == "accepted":
            assert (shown["agree"], voted["type"]) == (3, "ack")
            assert shown["decision"]["eligible"] == 4
        else:
            assert shown["agree"] == 2
            assert again["result"]["agree"] in (2, 3)


# Removed while connected.


async def test_who_is_removed_gets_not_a_member_and_then_nothing(
    server: Running, migrated_url: str
) -> None:
    scene = await gathering(server, 1, policy=by_count(9))
    (goes,) = scene.members
    tabs = [goes, await server.connect(goes.user), await server.connect(goes.user)]
    rooms = await scene.watch(*tabs)
    proposals = [await scene.propose() for _ in range(4)]
    top = (await scene.admin.subscribe(scene.event)).seq
    for room in rooms:
        await room.reached(top)
    blocker = await asyncpg.connect(migrated_url)
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT 1 FROM events WHERE id = $1 FOR UPDATE", scene.event)
            removal = await scene.admin.post("membership.remove", event=scene.event, user=goes.user)
            lanes = server.node.lanes
            while not lanes.pending(scene.event, [(scene.admin.user, pending_id(removal, scene))]):
                await asyncio.sleep(0)
            queued = [
                await tabs[0].post("vote.cast", event=scene.event, proposal=proposal, revision=1)
                for proposal in proposals
            ]
            await tabs[0].ask("ping")
    finally:
        await blocker.close()
    assert (await scene.admin.answered(removal))["applied"]
    for future in queued:
        assert (await goes.answered(future))["code"] == "not_a_member"
    for room in rooms:
        assert await room.closed() == "removed"
        seen = [m["type"] for m in room.client.received if m.get("event") == scene.event]
        after = seen[seen.index("unsubscribed") + 1 :]
        assert set(after) <= {"error"}, after
    before = [len(tab.received) for tab in tabs]
    await scene.do("event.rotate_code")
    await scene.do("event.pause")
    for tab, count in zip(tabs, before, strict=True):
        await tab.ask("ping")
        assert [m["type"] for m in tab.received[count:]] == ["pong"]


def pending_id(posted: asyncio.Future[Message], scene: Scene) -> str:
    """The id of a command that was posted."""
    return next(key for key, waiting in scene.admin._answers.items() if posted in waiting)


# The last admin.


async def test_the_last_admin_stays(server: Running) -> None:
    scene = await gathering(server, 1, joins=False)
    (member,) = scene.members
    admin, event = scene.admin, scene.event
    applicant = await scene.newcomer()
    await scene.join(applicant)
    await admin.refused("last_admin", "membership.leave", event=event)
    await admin.refused("last_admin", "membership.remove", event=event, user=admin.user)
    await admin.refused(
        "last_admin", "membership.set_role", event=event, user=admin.user, role="member"
    )
    for heir in (applicant.user, admin.user):
        await admin.refused("invalid_transition", "membership.leave", event=event, transfer_to=heir)
    unknown = await admin.refused(
        "not_found", "membership.leave", event=event, transfer_to="nobody"
    )
    assert unknown["details"] == {"path": "transfer_to"}
    await admin.ack("membership.leave", event=event, transfer_to=member.user)
    state = (await member.subscribe(event)).state
    assert state["members"] == {member.user: {"name": member.user, "role": "admin"}}


async def test_of_two_admins_who_demote_each_other_one_stays(server: Running) -> None:
    for how in ("membership.set_role", "membership.remove", "membership.leave") * 2:
        scene, one, two = await admins(server)
        extra: dict[str, Any] = {"role": "member"} if how == "membership.set_role" else {}
        work = []
        for client, other in ((one, two), (two, one)):
            target = {} if how == "membership.leave" else {"user": other.user}
            work.append(client.send(how, event=scene.event, **target, **extra))
        answers = await together(*work)
        counted = codes(answers)
        assert counted["applied"] == 1
        assert set(counted) - {"applied"} <= {"last_admin", "forbidden", "not_a_member"}
        stays = (one, two)[0 if answers[0]["type"] == "ack" else 1]
        if how == "membership.leave":
            stays = two if stays is one else one
        state = (await stays.subscribe(scene.event)).state
        assert [m["role"] for m in state["members"].values()].count("admin") == 1
        assert state["members"][stays.user]["role"] == "admin"


# max_members under parallel joins.


@pytest.mark.parametrize("joins", [True, False])
async def test_max_members_is_never_exceeded(server: Running, joins: bool) -> None:
    for _ in range(2):
        scene = await gathering(server, 0, joins=joins, max_members=5)
        people = [await scene.newcomer() for _ in range(10)]
        answers = await together(
            *(client.send("membership.join", code=scene.code) for client in people)
        )
        if joins:
            assert codes(answers) == {"applied": 4, "event_full": 6}
        else:
            assert codes(answers) == {"applied": 10}
            second = await server.connect(scene.admin.user)
            approvals = await together(
                *(
                    admin.send("membership.approve", event=scene.event, user=client.user)
                    for number, client in enumerate(people)
                    for admin in ((scene.admin, second)[number % 2],)
                ),
                second.send("membership.approve_all", event=scene.event),
            )
            assert set(codes(approvals)) <= {"applied", "same", "event_full"}
        state = await scene.state()
        assert state["counts"]["members"] == 5 == len(state["members"])


async def test_fewer_places_and_joins_at_once(server: Running) -> None:
    for _ in range(ROUNDS):
        scene = await gathering(server, 0, max_members=10)
        people = [await scene.newcomer() for _ in range(5)]
        lowered, *_ = await together(
            scene.admin.send("event.update", event=scene.event, max_members=3),
            *(client.send("membership.join", code=scene.code) for client in people),
        )
        state = await scene.state()
        assert state["counts"]["members"] <= state["event"]["max_members"]
        assert (lowered["type"] == "ack") == (state["event"]["max_members"] == 3)
