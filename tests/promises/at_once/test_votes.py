"""Votes, and decisions of admins, that cross each other, with real concurrency.

The promises are those of ``docs/protocol.md``, "Six promises".
"""

from __future__ import annotations

import asyncpg

from tests.promises.at_once.rounds import ROUNDS, admins, cast, codes
from tests.promises.client import together
from tests.promises.running import Running
from tests.promises.scenes import by_count, gathering

# Two votes cross the threshold together.


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


# A vote that comes after the decision.


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


# Another id with the same intent; the same id again is in test_repeats.


async def test_another_id_with_the_same_intent_is_not_applied(server: Running) -> None:
    scene = await gathering(server, 1, policy=by_count(3))
    (member,) = scene.members
    tabs = [member, *[await server.connect(member.user) for _ in range(5)]]
    for _ in range(ROUNDS):
        proposal = await scene.propose()
        answers = await together(*(cast(tab, scene, proposal) for tab in tabs))
        assert codes(answers) == {"applied": 1, "same": 5}
        assert all(a["result"]["agree"] == 1 for a in answers)


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


# A lowered threshold.


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
