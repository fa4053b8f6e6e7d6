"""No user takes all places, of requests or in windows; a waiting record gets a free place."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.fixtures.servers import Start
from tests.promises.client import Client, Room
from tests.promises.running import Running
from tests.promises.scenes import BY_HAND, Scene, by_count, gathering


async def lobby(scene: Scene, count: int) -> list[Client]:
    """``count`` users ask to join, one after another."""
    asking = []
    for _ in range(count):
        client = await scene.newcomer()
        assert (await scene.join(client))["result"]["status"] == "pending"
        asking.append(client)
    return asking


def requests(room: Room) -> set[str]:
    """The users whose requests are shown."""
    return set(room.state["requests"])


# Requests to join


async def test_admins_are_shown_the_oldest_requests_and_how_many_there_are(start: Start) -> None:
    server = await start(requests_shown=3)
    scene = await gathering(server, joins=False)
    room = await scene.admin.subscribe(scene.event)
    people = [client.user for client in await lobby(scene, 5)]
    await room.reached((await scene.admin.ack("event.rotate_code", event=scene.event))["seq"])
    assert requests(room) == set(people[:3])
    assert room.state["counts"]["requests"] == 5
    assert (await scene.state())["requests"].keys() == set(people[:3])


async def test_a_decided_request_brings_the_next_oldest_in_by_the_same_diff(start: Start) -> None:
    server = await start(requests_shown=2)
    scene = await gathering(server, joins=False)
    asking = await lobby(scene, 5)
    people = [client.user for client in asking]
    room = await scene.admin.subscribe(scene.event)
    for act, user, left in (
        ("approve", people[0], {people[1], people[2]}),
        # Beyond the window only the count is shown.
        ("reject", people[4], {people[1], people[2]}),
        ("reject", people[1], {people[2], people[3]}),
    ):
        ack = await scene.admin.ack(f"membership.{act}", event=scene.event, user=user)
        await room.reached(ack["seq"])
        assert requests(room) == left
        assert (await scene.state())["requests"] == room.state["requests"]
    ack = await asking[3].ack("membership.cancel", event=scene.event)
    await room.reached(ack["seq"])
    assert (requests(room), room.state["counts"]["requests"]) == ({people[2]}, 1)


async def test_all_requests_are_paged_for_admins_alone(start: Start) -> None:
    server = await start(requests_shown=2)
    scene = await gathering(server, 1, joins=False)
    people = [client.user for client in await lobby(scene, 5)]
    found: list[str] = []
    before: dict[str, Any] = {}
    while True:
        page = await scene.admin.ask("requests.list", event=scene.event, limit=2, **before)
        found += [request["id"] for request in page["requests"]]
        assert all(
            request.keys() == {"id", "name", "requested_at", "position"}
            for request in page["requests"]
        )
        if "next" not in page:
            break
        before = {"before": page["next"]}
    assert found == people[::-1]
    for user, code in (
        (scene.members[0].user, "forbidden"),
        (people[0], "not_a_member"),
        ("nobody here", "not_found"),
    ):
        client = await server.connect(user)
        refused = await client.request({"type": "requests.list", "event": scene.event})
        assert refused["code"] == code


async def test_requests_are_bounded_and_one_that_is_decided_makes_room(start: Start) -> None:
    server = await start(requests=2)
    scene = await gathering(server, joins=False, max_members=1)
    asking = await lobby(scene, 3)
    late = await scene.newcomer()
    refused = await late.refused("limit_reached", "membership.join", code=scene.code)
    assert refused["details"] == {"limit": 3, "name": "requests"}
    # A waiting applicant gets the same answer again, and takes no second place.
    again = await asking[0].ack("membership.join", code=scene.code)
    assert not again["applied"]
    await asking[0].ack("membership.cancel", event=scene.event)
    assert (await scene.join(late))["result"]["status"] == "pending"


async def test_more_requests_are_decided_at_once_than_are_read_ahead(
    start: Start, monkeypatch: Any
) -> None:
    monkeypatch.setattr("persistence.event.loading.MAX_REQUESTS_TOGETHER", 1)
    server = await start(requests_shown=2)
    scene = await gathering(server, joins=False)
    people = [client.user for client in await lobby(scene, 9)]
    # Another node has seen none of them come: the first act reads those of the window there.
    other = await start(requests_shown=2)
    admin = await other.connect(scene.admin.user)
    await admin.ack("membership.approve", event=scene.event, user=people[0])
    for some in (people[1:4], people[4:7]):
        added = [{"user": user, "name": user} for user in some]
        ack = await admin.ack("membership.add", event=scene.event, people=added)
        assert ack["result"]["added"] == some
    assert (await scene.state())["requests"].keys() == set(people[7:])


async def test_who_takes_a_request_back_waits_behind_the_others(start: Start) -> None:
    server = await start(requests_shown=2)
    scene = await gathering(server, joins=False)
    asking = await lobby(scene, 3)
    await asking[0].ack("membership.cancel", event=scene.event)
    await scene.join(asking[0])
    assert (await scene.state())["requests"].keys() == {asking[1].user, asking[2].user}
    await scene.do("event.update", max_members=2)
    result = await scene.do("membership.approve_all")
    assert result["approved"] == [asking[1].user]
    assert result["waiting"] == [asking[2].user, asking[0].user]


async def test_deciding_on_all_names_some_and_counts_all(start: Start, monkeypatch: Any) -> None:
    monkeypatch.setattr("handlers.commands.memberships.MAX_NAMED", 2)
    monkeypatch.setattr("handlers.commands.memberships.MAX_DECIDED_TOGETHER", 4)
    server = await start(requests_shown=3)
    scene = await gathering(server, joins=False, max_members=4)
    people = [client.user for client in await lobby(scene, 12)]
    room = await scene.admin.subscribe(scene.event)
    result = await scene.do("membership.approve_all")
    assert (result["approved"], result["approved_count"]) == (people[:2], 3)
    assert (result["waiting"], result["waiting_count"]) == (people[3:5], 9)
    # One command decides a limited number; the next one continues.
    for decided, left in ((4, 5), (4, 1), (1, 0)):
        result = await scene.do("membership.reject_all")
        assert (result["rejected_count"], result["waiting_count"]) == (decided, left)
    ack = await scene.admin.ack("membership.reject_all", event=scene.event)
    assert not ack["applied"]
    await room.reached(ack["seq"])
    assert (requests(room), room.state["counts"]["requests"]) == (set(), 0)


async def test_members_are_not_told_how_many_ask(server: Running) -> None:
    scene = await gathering(server, 1, joins=False)
    room = await scene.members[0].subscribe(scene.event)
    await lobby(scene, 2)
    await room.reached((await scene.admin.ack("event.rotate_code", event=scene.event))["seq"])
    assert "requests" not in room.state
    assert "requests" not in room.state["counts"]
    assert "requests" not in (await scene.members[0].subscribe(scene.event)).state["counts"]


# Pending proposals of a user who has left.


async def test_a_removed_members_proposals_stay_unless_they_are_closed(server: Running) -> None:
    scene = await gathering(server, 2)
    spared, closed = scene.members
    stays, *gone = [
        await scene.propose(by=spared),
        await scene.propose(by=closed),
        await scene.propose(by=closed),
    ]
    room = await scene.admin.subscribe(scene.event)
    assert "closed" not in await scene.do("membership.remove", user=spared.user)
    diffs = len(room.diffs)
    ack = await scene.admin.ack(
        "membership.remove", event=scene.event, user=closed.user, close_proposals=True
    )
    assert (ack["result"]["status"], ack["result"]["closed"]) == ("removed", 2)
    await room.reached(ack["seq"])
    # All of it is one step.
    assert [diff["seq"] for diff in room.diffs[diffs:]][-1] == ack["seq"]
    assert closed.user not in room.state["members"]
    proposals = room.state["proposals"]
    assert proposals[stays]["status"] == "pending"
    for id in gone:
        assert (proposals[id]["status"], proposals[id]["resolution"]) == ("deleted", "moderated")
        assert proposals[id]["resolved_by"] == scene.admin.user


async def test_what_those_who_are_out_already_have_pending_can_be_closed(server: Running) -> None:
    scene = await gathering(server, 2)
    removed, left = scene.members
    for client in scene.members:
        await scene.propose(by=client)
    await scene.do("membership.remove", user=removed.user)
    await left.ack("membership.leave", event=scene.event)
    for client, status in ((removed, "removed"), (left, "left")):
        fields: Any = {"event": scene.event, "user": client.user, "close_proposals": True}
        ack = await scene.admin.ack("membership.remove", **fields)
        assert ack["applied"]
        assert (ack["result"]["status"], ack["result"]["closed"]) == (status, 1)
        ack = await scene.admin.ack("membership.remove", **fields)
        assert (ack["applied"], ack["result"]["closed"]) == (False, 0)
    # Without ``close_proposals``, a repeat has the same answer.
    ack = await scene.admin.ack("membership.remove", event=scene.event, user=removed.user)
    assert not ack["applied"]
    await scene.admin.refused(
        "invalid_transition", "membership.remove", event=scene.event, user=left.user
    )


# Records that wait for a place


async def test_a_deletion_lets_in_by_the_same_diff_what_waited_for_room(start: Start) -> None:
    server = await start(criteria=2)
    scene = await gathering(server, 1, policy=by_count(2), criteria=["price"])
    voters = [scene.admin, *scene.members]
    gone = await scene.item("criterion", "taste")
    waiting = [
        await scene.propose(kind="criterion", content=words) for words in ("first", "second")
    ]
    deletion = await scene.propose(kind="criterion", category="delete", target=gone, base_version=1)
    for proposal in waiting:
        for voter in voters:
            assert (await scene.vote(voter, proposal))["result"]["status"] == "pending"
    room = await scene.admin.subscribe(scene.event)
    await scene.vote(voters[0], deletion)
    ack = await scene.vote(voters[1], deletion)
    assert ack["result"]["status"] == "accepted"
    await room.reached(ack["seq"])
    proposals = room.state["proposals"]
    # The oldest takes the place; the other still waits.
    assert proposals[waiting[0]]["status"] == "accepted"
    assert proposals[waiting[0]]["resolution"] == "auto_votes"
    assert proposals[waiting[1]]["status"] == "pending"
    assert {item["content"] for item in room.state["criteria"].values()} == {"price", "first"}


async def test_a_revert_that_deletes_makes_room_too(start: Start) -> None:
    server = await start(assumptions=1)
    scene = await gathering(server, 1, policy=by_count(2))
    made = await scene.propose(content="first")
    await scene.do("proposal.accept", proposal=made)
    waiting = await scene.propose(content="second")
    for voter in (scene.admin, *scene.members):
        await scene.vote(voter, waiting)
    await scene.do("proposal.revert", proposal=made)
    state = await scene.state()
    assert [item["content"] for item in state["assumptions"].values()] == ["second"]


async def test_a_policy_names_all_it_accepts_in_that_order_also_what_had_waited(
    start: Start,
) -> None:
    server = await start(assumptions=1)
    scene = await gathering(server, 1, policy=by_count(2), assumptions=["old"])
    (old,) = (await scene.state())["assumptions"]
    waiting = await scene.propose(content="new")
    deletion = await scene.propose(category="delete", target=old, base_version=1)
    for proposal in (waiting, deletion):
        await scene.vote(scene.admin, proposal)
    result = await scene.do("event.set_policy", policy_version=1, policy=by_count(1))
    assert result["accepted"] == [deletion, waiting]


async def test_who_comes_back_may_meet_the_quorum(server: Running) -> None:
    policy = by_count(1) | {"quorum_percent": 60}
    scene = await gathering(server, 2, policy=policy)
    first, second = scene.members
    proposal = await scene.propose()
    await first.ack("vote.cast", event=scene.event, proposal=proposal, revision=1)
    await first.ack("vote.retract", event=scene.event, proposal=proposal)
    await first.ack("membership.leave", event=scene.event)
    ack = await scene.vote(scene.admin, proposal)
    assert ack["result"] == {"agree": 1, "eligible": 2, "status": "pending"}
    room = await scene.admin.subscribe(scene.event)
    back = await scene.join(first)
    await room.reached(back["seq"])
    assert room.state["proposals"][proposal]["status"] == "accepted"
    assert second.user in room.state["members"]


# Windows


async def test_adding_and_removing_again_moves_no_floor(start: Start) -> None:
    server = await start(comments_shown=4)
    scene = await gathering(server, 2, policy=BY_HAND, criteria=["price"])
    (criterion,) = (await scene.state())["criteria"]
    others, noisy = scene.members

    async def add(by: Client) -> str:
        result = await by.result(
            "comment.add", event=scene.event, criterion=criterion, content="so"
        )
        made: str = result["comment"]
        return made

    kept = [await add(others) for _ in range(3)]
    for _ in range(12):
        await noisy.ack("comment.remove", event=scene.event, comment=await add(noisy))
    assert set((await scene.state())["comments"]) == set(kept)


async def test_many_rooms_see_a_window_of_requests_alike(start: Start) -> None:
    """Two servers decide in turns; each learns how the other left the window."""
    first, second = await start(requests_shown=2), await start(requests_shown=2)
    scene = await gathering(first, joins=False)
    people = [client.user for client in await lobby(scene, 8)]
    elsewhere = await second.connect(scene.admin.user)
    for number, user in enumerate(people[::2]):
        admin = (scene.admin, elsewhere)[number % 2]
        await admin.ack("membership.approve", event=scene.event, user=user)
        shown = await asyncio.gather(*(c.subscribe(scene.event) for c in (scene.admin, elsewhere)))
        left = [one for one in people if one not in people[: 2 * number + 1 : 2]]
        for room in shown:
            assert requests(room) == set(left[:2])
            assert room.state["counts"]["requests"] == len(left)


async def test_who_proposes_and_withdraws_takes_a_share_of_the_resolved_window(
    start: Start,
) -> None:
    server = await start(resolved_shown=6, withdrawn_per_author=3)
    scene = await gathering(server, 2)
    noisy, other = scene.members
    decided = [await scene.propose() for _ in range(6)]
    for proposal in decided:
        await scene.do("proposal.reject", proposal=proposal)
    for _ in range(3):
        proposal = await scene.propose(by=noisy)
        await noisy.ack("proposal.withdraw", event=scene.event, proposal=proposal)
    wish = {"event": scene.event, "kind": "assumption", "category": "create", "content": "x"}
    refused = await noisy.refused("limit_reached", "proposal.create", **wish)
    assert refused["details"] == {"limit": 3, "name": "withdrawn_per_author"}
    shown = set((await scene.state())["proposals"])
    assert shown > set(decided[3:])
    # The others continue; their decisions move the window, and with it the share.
    for _ in range(4):
        proposal = await scene.propose(by=other)
        await scene.do("proposal.reject", proposal=proposal)
    again = await start(resolved_shown=6, withdrawn_per_author=3)
    elsewhere = await again.connect(noisy.user)
    await elsewhere.ack("proposal.create", **wish)
