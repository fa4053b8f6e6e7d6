"""The expected result when two things happen at once, each with real concurrency.

The promises are those of ``docs/protocol.md``, "Six promises".
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest

from tests.promises.client import Client, Message, together
from tests.promises.running import Running
from tests.promises.scenes import Scene, by_count, gathering

ROUNDS = 5


def codes(answers: list[Message]) -> Counter[str]:
    """Count the answers: an error's code, ``applied`` or ``same``."""
    return Counter(
        a["code"] if a["type"] == "error" else "applied" if a["applied"] else "same"
        for a in answers
    )


async def cast(client: Client, scene: Scene, proposal: str) -> Message:
    return await client.send("vote.cast", event=scene.event, proposal=proposal, revision=1)


# 1. Two votes cross the threshold together.


async def test_two_votes_that_cross_together_accept_once(server: Running) -> None:
    scene = await gathering(server, 2, policy=by_count(2))
    (room,) = await scene.watch(scene.admin)
    for _ in range(ROUNDS * 4):
        proposal = await scene.propose()
        answers = await together(*(cast(m, scene, proposal) for m in scene.members))
        assert codes(answers) == {"applied": 2}
        assert sorted(a["result"]["status"] for a in answers) == ["accepted", "pending"]
        assert sorted(a["result"]["agree"] for a in answers) == [1, 2]
        await room.reached(max(a["seq"] for a in answers))
        shown = room.state["proposals"][proposal]
        assert (shown["status"], shown["agree"]) == ("accepted", 2)
        told = [
            diff
            for diff in room.diffs
            if diff["patch"].get("proposals", {}).get(proposal, {}).get("status") == "accepted"
        ]
        assert len(told) == 1
    assert len(room.state["assumptions"]) == ROUNDS * 4


async def test_a_crowd_at_the_threshold_accepts_once(server: Running, migrated_url: str) -> None:
    scene = await gathering(server, 8, policy=by_count(5))
    connection = await asyncpg.connect(migrated_url)
    for _ in range(ROUNDS):
        proposal = await scene.propose()
        answers = await together(*(cast(m, scene, proposal) for m in scene.members))
        assert codes(answers) == {"applied": 5, "proposal_closed": 3}
        assert [a["result"]["agree"] for a in sorted(
            (a for a in answers if a["type"] == "ack"), key=lambda a: a["seq"]
        )] == [1, 2, 3, 4, 5]  # fmt: skip
        held = await connection.fetchval(
            "SELECT count(*) FROM votes WHERE event_id = $1 AND proposal_id = $2",
            scene.event,
            proposal,
        )
        assert held == 5
    await connection.close()


# 2. A vote that comes after the decision.


async def test_a_vote_after_the_decision_is_refused_and_writes_nothing(
    server: Running, migrated_url: str
) -> None:
    scene = await gathering(server, 2, policy=by_count(1))
    one, two = scene.members
    proposal = await scene.propose()
    decisive = await scene.vote(one, proposal)
    late = await two.refused(
        "proposal_closed", "vote.cast", event=scene.event, proposal=proposal, revision=1
    )
    details = late["details"]
    # By the votes: the giver of the last vote is secret.
    assert "by" not in details
    assert {name: details[name] for name in ("status", "resolution", "seq")} == {
        "status": "accepted",
        "resolution": "auto_votes",
        "seq": decisive["seq"],
    }
    assert details["at"].endswith("Z")
    connection = await asyncpg.connect(migrated_url)
    rows = await connection.fetch(
        "SELECT user_id FROM votes WHERE event_id = $1 AND proposal_id = $2", scene.event, proposal
    )
    await connection.close()
    assert [row["user_id"] for row in rows] == [one.user]
    assert (await scene.state())["proposals"][proposal]["agree"] == 1
    for type_ in ("vote.retract",):
        await one.refused("proposal_closed", type_, event=scene.event, proposal=proposal)


# 3. The same id again: test_commands. Another id, same intent:


async def test_another_id_with_the_same_intent_is_not_applied(server: Running) -> None:
    scene = await gathering(server, 1, policy=by_count(3))
    (member,) = scene.members
    tabs = [member, *[await server.connect(member.user) for _ in range(5)]]
    for _ in range(ROUNDS):
        proposal = await scene.propose()
        answers = await together(*(cast(tab, scene, proposal) for tab in tabs))
        assert codes(answers) == {"applied": 1, "same": 5}
        assert all(a["result"]["agree"] == 1 for a in answers)


# 4. Two admins.


async def admins(server: Running, **options: Any) -> tuple[Scene, Client, Client]:
    scene = await gathering(server, 1, **options)
    second = scene.members.pop()
    await scene.do("membership.set_role", user=second.user, role="admin")
    return scene, scene.admin, second


async def test_two_admins_who_approve_are_both_told_who_did_it(server: Running) -> None:
    scene, one, two = await admins(server)
    for _ in range(ROUNDS):
        proposal = await scene.propose()
        answers = await together(
            *(c.send("proposal.accept", event=scene.event, proposal=proposal) for c in (one, two))
        )
        assert codes(answers) == {"applied": 1, "same": 1}
        assert answers[0]["result"] == answers[1]["result"]
        first = min(answers, key=lambda a: a["seq"])
        winner = (one, two)[answers.index(first)]
        result = first["result"]
        assert (result["status"], result["resolution"], result["by"], result["seq"]) == (
            "accepted",
            "admin",
            winner.user,
            first["seq"],
        )
        assert "at" in result


async def test_the_first_of_approve_and_reject_stands(server: Running) -> None:
    scene, one, two = await admins(server)
    seen = set()
    for number in range(ROUNDS * 2):
        proposal = await scene.propose()
        pair = [("proposal.accept", one), ("proposal.reject", two)]
        if number % 2:
            pair.reverse()
        answers = await together(
            *(c.send(type_, event=scene.event, proposal=proposal) for type_, c in pair)
        )
        assert codes(answers) == {"applied": 1, "already_resolved": 1}
        (won,) = (a for a in answers if a["type"] == "ack")
        (lost,) = (a for a in answers if a["type"] == "error")
        for name in ("status", "resolution", "by", "at", "seq"):
            assert lost["details"][name] == won["result"][name]
        status = (await scene.state())["proposals"][proposal]["status"]
        assert status == won["result"]["status"]
        seen.add(status)
    assert seen


async def test_two_admins_at_one_request_to_join(server: Running) -> None:
    scene, one, two = await admins(server, joins=False)
    for number in range(ROUNDS):
        applicant = await scene.newcomer()
        await scene.join(applicant)
        verbs = ("approve", "approve") if number % 2 else ("approve", "reject")
        answers = await together(
            *(
                c.send(f"membership.{verb}", event=scene.event, user=applicant.user)
                for c, verb in zip((one, two), verbs, strict=True)
            )
        )
        if number % 2:
            assert codes(answers) == {"applied": 1, "same": 1}
            assert answers[0]["result"] == answers[1]["result"]
        else:
            assert codes(answers) == {"applied": 1, "already_resolved": 1}


# 5. A lowered threshold.


async def test_a_lowered_threshold_accepts_in_one_diff_oldest_first(server: Running) -> None:
    scene = await gathering(
        server, 3, policy=by_count(3), started=False, assumptions=["first words"]
    )
    await scene.do("event.start")
    (item,) = (await scene.state())["assumptions"]
    authors = scene.members
    given = {"category": "update", "target": item, "base_version": 1}
    older = await scene.propose(authors[0], content="older", **given)
    later = await scene.propose(authors[1], content="later", **given)
    fresh = await scene.propose(authors[2], content="fresh")
    lonely = await scene.propose(authors[2], content="lonely")
    for voter in authors[:2]:
        for proposal in (later, older, fresh):
            await scene.vote(voter, proposal)
    await scene.vote(authors[0], lonely)
    (room,) = await scene.watch(scene.admin)
    ack = await scene.admin.ack(
        "event.set_policy", event=scene.event, policy_version=1, policy=by_count(2)
    )
    assert ack["result"] == {"policy_version": 2, "accepted": [older, fresh]}
    await room.reached(ack["seq"])
    (diff,) = room.diffs
    assert (diff["from"], diff["seq"]) == (ack["seq"] - 1, ack["seq"])
    shown = room.state["proposals"]
    assert [shown[p]["status"] for p in (older, later, fresh, lonely)] == [
        *("accepted", "pending", "accepted", "pending")
    ]
    assert shown[later]["stale"] is True
    assert room.state["assumptions"][item]["content"] == "older"
    # Raising it does not undo an acceptance.
    raised = await scene.do("event.set_policy", policy_version=2, policy=by_count(50))
    assert raised["accepted"] == []
    state = await scene.state()
    assert state["proposals"][older]["status"] == "accepted"


async def test_a_lowered_threshold_and_votes_at_once_miss_nothing(server: Running) -> None:
    for _ in range(ROUNDS):
        scene = await gathering(server, 4, policy=by_count(4))
        proposal = await scene.propose()
        await together(
            *(cast(m, scene, proposal) for m in scene.members[:2]),
            scene.admin.ack(
                "event.set_policy", event=scene.event, policy_version=1, policy=by_count(2)
            ),
        )
        state = await scene.state()
        assert state["proposals"][proposal]["status"] == "accepted"
        assert len(state["assumptions"]) == 1


# 6. A member leaves or is removed.


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
    anew = await cast(goes, scene, mine)
    assert (anew["applied"], anew["result"]["agree"]) == (True, 1)


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


# 7. Removed while connected.


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


# 8. The last admin.


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


# 9. max_members under parallel joins.


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


# 10. An update whose target was deleted.


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


# 11. Pause and finish with votes in the queue.


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


# 12. A criterion added or removed after someone's ballot.


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
