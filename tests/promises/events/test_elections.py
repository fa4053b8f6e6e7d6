"""Elections and motions at their edges: ties, quorums, a reopening, an erased voter, namesakes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from server.cli import audit
from tests.promises.client import Client, Message
from tests.promises.events.test_terms import CLOSING, THREE, close, say, share
from tests.promises.http_caller import caller
from tests.promises.journals.test_event_limits import cli
from tests.promises.running import Running
from tests.promises.scenes import Scene, fresh, gathering

__all__ = ["close"]  # a fixture

SECRET: Message = {"tally": "close", "electorate": "opening"}


async def options_of(scene: Scene) -> list[str]:
    options = (await scene.state())["options"]
    return sorted(options, key=lambda id: int(options[id]["position"]))


async def ballot(scene: Scene, by: Client, option: str, **fields: Any) -> Message:
    about: Message = {"option": option, "criteria_rev": 1} | fields
    return await by.ack("ballot.submit", event=scene.event, **about)


async def verified(scene: Scene) -> str:
    database = scene.server.node.database  # type: ignore[attr-defined]
    return await audit.verify_event(database, scene.event)


async def test_a_tie_of_the_final_ballot_is_told_as_a_tie(server: Running) -> None:
    scene = await gathering(server, 3, options=["Pizza", "Soup", "Salad"])
    pizza, soup, salad = await options_of(scene)
    for by, option in zip(scene.everyone, (pizza, soup, soup, pizza), strict=True):
        await ballot(scene, by, option)
    await scene.do("event.finish")
    assert (await scene.state())["results"]["options"] == [
        {"option": pizza, "votes": 2, "rank": 1},
        {"option": soup, "votes": 2, "rank": 1},
        {"option": salad, "votes": 0, "rank": 3},
    ]
    assert "the tables agree" in await verified(scene)


@pytest.mark.parametrize(("voters", "status"), [(2, "rejected"), (3, "accepted")])
async def test_without_its_quorum_a_unanimous_motion_is_rejected_with_its_tally(
    server: Running,
    close: Callable[[Scene, str], Awaitable[Message]],
    voters: int,
    status: str,
) -> None:
    policy = share("votes", more_than=True) | CLOSING | {"stances": THREE, "quorum_percent": 60}
    scene = await gathering(server, 4, policy=policy)
    motion = await scene.propose()
    for by in scene.members[:voters]:
        await say(scene, by, motion, "agree")
    # An organiser and a stranger lift no quorum.
    await scene.do("membership.set_role", user=scene.members[3].user, role="organiser")
    organiser = await say(scene, scene.members[3], motion, "agree")
    assert organiser["code"] == "not_eligible"
    await scene.member()
    closed = await close(scene, motion)
    assert (closed["status"], closed["agree"], closed["voters"]) == (status, voters, voters)


async def test_a_reopened_election_is_counted_again_with_the_ballots_that_stand(
    server: Running,
) -> None:
    scene = await gathering(server, 2, options=["Pizza", "Soup"])
    pizza, soup = await options_of(scene)
    ada, bob, cid = scene.everyone
    await ballot(scene, ada, pizza)
    await ballot(scene, bob, soup)
    await scene.do("event.finish")
    first = (await scene.state())["results"]
    assert [entry["votes"] for entry in first["options"]] == [1, 1]
    await cid.ack("membership.leave", event=scene.event)
    await scene.do("event.reopen")
    assert "results" not in await scene.state()
    room = await bob.subscribe(scene.event)
    assert room.you["ballot"]["revision"] == 1
    stale = await bob.send("ballot.submit", event=scene.event, option=pizza, criteria_rev=1, base=0)
    assert (stale["code"], stale["details"]["current"]) == ("version_conflict", 1)
    await ballot(scene, bob, pizza, base=1)
    dan = await scene.member()
    await ballot(scene, dan, pizza)
    await scene.do("event.finish")
    again = (await scene.state())["results"]
    assert (again["ballots"], again["eligible"]) == (3, 3)
    assert [(each["option"], each["votes"]) for each in again["options"]] == [(pizza, 3), (soup, 0)]
    assert "the tables agree" in await verified(scene)


async def test_an_erased_voter_of_a_secret_election_is_counted_and_stays_secret(
    server: Running, migrated_url: str
) -> None:
    scene = await gathering(server, 3, policy=SECRET, options=["Pizza", "Soup"])
    pizza, soup = await options_of(scene)
    motion = await scene.propose()
    gone, *others = scene.members
    await gone.ack("membership.rename", event=scene.event, name="Wqp Erased")
    await gone.ack("comment.add", event=scene.event, proposal=motion, content="Wqp words")
    await scene.vote(gone, motion)
    for by, option in zip(scene.members, (soup, pizza, soup), strict=True):
        await ballot(scene, by, option)
    status, said = await cli("erase", "--user", gone.user, database_url=migrated_url)
    assert status == 0, said
    # Late: was no member when the motion was made.
    late = await scene.member()
    assert (await scene.vote(late, motion))["code"] == "not_eligible"
    await scene.do("proposal.accept", proposal=motion)
    await scene.do("event.finish")
    state = await scene.state()
    assert state["proposals"][motion]["agree"] == 1
    assert state["results"]["ballots"] == 3
    assert [each["votes"] for each in state["results"]["options"]] == [2, 1]
    # The owner alone can still prove the ballot.
    assert (await gone.ask("ballot.receipt", event=scene.event))["user"] == gone.user
    told = [json.dumps(state)]
    for client in (scene.admin, *others, late):
        async with caller(server, client.user) as http:
            for page in ("", "/journal?limit=200", "/members", "/proposals", "/comments"):
                told.append((await http.get(f"/events/{scene.event}{page}")).text)
    assert not [text for text in told if "Wqp" in text]
    lines: list[str] = []
    await audit.export(server.node.database, scene.event, public=True, write=lines.append)
    assert not [line for line in lines if gone.user in line and (pizza in line or soup in line)]
    assert "the tables agree" in await verified(scene)


async def test_who_takes_the_name_of_another_during_a_vote_votes_as_themselves(
    server: Running,
) -> None:
    policy = share("votes", more_than=True) | CLOSING | {"stances": THREE, "votes": "named"}
    scene = await gathering(server, 2, policy=policy)
    motion = await scene.propose()
    bob, cid = scene.members
    name = fresh("namesake")
    await bob.ack("membership.rename", event=scene.event, name=name)
    answers = await asyncio.gather(
        say(scene, cid, motion, "against"),
        cid.send("membership.rename", event=scene.event, name=name),
        say(scene, bob, motion, "agree"),
        say(scene, cid, motion, "abstain"),
    )
    assert [answer["type"] for answer in answers] == ["ack"] * 4
    listed = (await bob.ask("votes.list", event=scene.event, proposal=motion))["votes"]
    assert sorted((vote["user"], vote["name"], vote["stance"]) for vote in listed) == sorted(
        [(bob.user, name, "agree"), (cid.user, name, "abstain")]
    )
    assert "the tables agree" in await verified(scene)
