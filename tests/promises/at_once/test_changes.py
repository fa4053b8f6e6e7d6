"""Changes of items, policy and status while others vote or decide."""

from __future__ import annotations

from tests.promises.at_once.rounds import ROUNDS, cast
from tests.promises.client import together
from tests.promises.running import Running
from tests.promises.scenes import by_count, gathering

# An update whose target was deleted.


async def test_an_update_whose_target_was_deleted_is_closed_by_the_deletion(
    server: Running,
) -> None:
    scene = await gathering(server, 2, started=False, criteria=["price"], assumptions=["rain"])
    await scene.do("event.start")
    one, two = scene.members
    (criterion,) = (await scene.state())["criteria"]
    given = {"kind": "criterion", "target": criterion, "base_version": 1}
    update = await scene.propose(one, category="update", **given)
    conclusion = await scene.propose(two, kind="conclusion", target=criterion, base_version=0)
    delete = await scene.propose(category="delete", **given)
    (room,) = await scene.watch(scene.admin)
    ack = await scene.admin.ack("proposal.accept", event=scene.event, proposal=delete)
    await room.reached(ack["seq"])
    (diff,) = room.diffs
    for proposal in (update, conclusion):
        closed = diff["patch"]["proposals"][proposal]
        assert (closed["status"], closed["resolution"]) == ("deleted", "target_deleted")
    await one.refused(
        "proposal_closed", "vote.cast", event=scene.event, proposal=update, revision=1
    )
    late = await one.refused(
        "target_gone",
        "proposal.create",
        event=scene.event,
        category="update",
        content="late",
        **given,
    )
    assert late["details"]["path"] == "target"


async def test_a_deletion_and_an_update_at_once(server: Running) -> None:
    for _ in range(ROUNDS):
        scene = await gathering(server, 2, started=False, assumptions=["rain"])
        await scene.do("event.start")
        (item,) = (await scene.state())["assumptions"]
        given = {"target": item, "base_version": 1}
        delete = await scene.propose(scene.members[0], category="delete", **given)
        second = await server.connect(scene.admin.user)
        made, accepted = await together(
            scene.members[1].send(
                "proposal.create",
                event=scene.event,
                kind="assumption",
                category="update",
                content="snow",
                **given,
            ),
            second.ack("proposal.accept", event=scene.event, proposal=delete),
        )
        state = await scene.state()
        assert state["assumptions"] == {}
        if made["type"] == "ack":
            assert made["seq"] < accepted["seq"]
            assert state["proposals"][made["result"]["proposal"]]["resolution"] == "target_deleted"
        else:
            assert made["code"] == "target_gone"


# Pause and finish with votes in the queue.


async def test_votes_behind_a_pause_are_refused(server: Running) -> None:
    for _ in range(ROUNDS):
        scene = await gathering(server, 6, policy=by_count(99))
        proposal = await scene.propose()
        paused, *votes = await together(
            scene.admin.ack("event.pause", event=scene.event),
            *(cast(member, scene, proposal) for member in scene.members),
        )
        for vote in votes:
            if vote["type"] == "ack":
                assert vote["seq"] < paused["seq"]
            else:
                assert vote["code"] == "event_not_in_progress"
        counted = sum(vote["type"] == "ack" for vote in votes)
        assert (await scene.state())["proposals"][proposal]["agree"] == counted


async def test_a_finish_closes_what_is_pending_and_brings_the_result(server: Running) -> None:
    for _ in range(ROUNDS):
        scene = await gathering(
            server, 4, policy=by_count(99), options=["pizza", "soup"], criteria=["price"]
        )
        room, *_ = await scene.watch(scene.admin)
        option = min(room.state["options"], key=lambda id: room.state["options"][id]["position"])
        (criterion,) = room.state["criteria"]
        proposal = await scene.propose()
        done, *rest = await together(
            scene.admin.ack("event.finish", event=scene.event),
            *(cast(member, scene, proposal) for member in scene.members[:2]),
            *(
                member.send(
                    "ballot.submit",
                    event=scene.event,
                    option=option,
                    criterion_order=[criterion],
                    criteria_rev=1,
                )
                for member in scene.members
            ),
        )
        for answer in rest:
            assert answer["type"] == "ack" or answer["code"] == "event_finished"
            assert answer["type"] == "error" or answer["seq"] < done["seq"]
        await room.reached(done["seq"])
        last = room.diffs[-1]
        assert last["seq"] == done["seq"]
        closed = last["patch"]["proposals"][proposal]
        assert (closed["status"], closed["resolution"]) == ("deleted", "event_finished")
        ballots = sum(a["type"] == "ack" for a in rest[2:])
        results = last["patch"]["results"]
        assert results == room.state["results"]
        assert (results["ballots"], results["options"][0]) == (
            ballots,
            {"option": option, "votes": ballots, "rank": 1},
        )
        assert results["criteria"] == [{"criterion": criterion, "points": 3 * ballots, "rank": 1}]


# A criterion added or removed after someone's ballot.


async def test_a_ballot_outlives_a_change_of_the_criteria(server: Running) -> None:
    scene = await gathering(server, 2, options=["pizza"], criteria=["price", "distance", "taste"])
    voter, other = scene.members
    room, elsewhere = await scene.watch(voter, other)
    (option,) = room.state["options"]
    criteria = sorted(room.state["criteria"], key=lambda i: room.state["criteria"][i]["position"])
    order = criteria[::-1]
    ballot = {"option": option, "criterion_order": order, "criteria_rev": 1}
    await voter.ack("ballot.submit", event=scene.event, **ballot)
    delete = await scene.propose(
        kind="criterion", category="delete", target=order[0], base_version=1
    )
    removed = await scene.admin.ack("proposal.accept", event=scene.event, proposal=delete)
    await room.reached(removed["seq"])
    left = ballot | {"criterion_order": order[1:], "revision": 1}
    await voter.until(lambda: room.you.get("ballot") == left, "the ranking of what is left")
    assert room.state["event"]["criteria_rev"] == 2
    told = len(room.yours)
    add = await scene.propose(kind="criterion", content="noise")
    added = await scene.admin.ack("proposal.accept", event=scene.event, proposal=add)
    await room.reached(added["seq"])
    await voter.until(lambda: len(room.yours) > told, "the owner being told")
    assert elsewhere.yours == []
    stale = await voter.refused("stale_criteria", "ballot.submit", event=scene.event, **ballot)
    assert stale["details"]["current"] == 3
    ack = await scene.admin.ack("event.finish", event=scene.event)
    await room.reached(ack["seq"])
    results = room.state["results"]
    points = {entry["criterion"]: entry["points"] for entry in results["criteria"]}
    assert results["options"] == [{"option": option, "votes": 1, "rank": 1}]
    assert [points[id] for id in order[1:]] == [3, 2]
    assert sum(points.values()) == 5
