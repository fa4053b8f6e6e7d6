"""The terms of votes: shares, stances, the close, hidden tallies, names, electorates."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import pytest

from server.cli import audit
from tests.promises.client import Client, Message
from tests.promises.events.test_timers import resolved
from tests.promises.http_caller import caller
from tests.promises.running import Running
from tests.promises.scenes import Scene, by_count, gathering

THREE = ["agree", "against", "abstain"]
CLOSING: Message = {"decide": "close", "ttl_seconds": 3_600}


def share(of: str = "members", more_than: bool = False, share: str = "1/2") -> Message:
    rule = {"auto": True, "rule": "share", "share": share, "of": of, "more_than": more_than}
    return {kind: rule | {"threshold": None} for kind in ("assumption", "criterion", "conclusion")}


async def say(scene: Scene, by: Client, proposal: str, stance: str, revision: int = 1) -> Message:
    fields: Message = {"proposal": proposal, "revision": revision, "stance": stance}
    return await by.send("vote.cast", event=scene.event, **fields)


async def ask(scene: Scene, by: Client, type: str, **fields: Any) -> Message:
    """The answer to a query, an error too."""
    return await by.request({"type": type, "event": scene.event, **fields})


@pytest.fixture
async def close(migrated_url: str) -> Callable[[Scene, str], Awaitable[Message]]:
    """End a proposal's time, and return it once it is closed."""

    async def closed(scene: Scene, proposal: str) -> Message:
        link = await asyncpg.connect(migrated_url)
        await link.execute("UPDATE proposals SET expires_at = now() WHERE id = $1", proposal)
        renew = "UPDATE events SET epoch = epoch || 'x' WHERE id = $1"
        await link.execute(renew, scene.event)
        await link.close()
        return await resolved(scene, proposal)

    return closed


@pytest.mark.parametrize(
    ("policy", "path"),
    [
        ({"assumption": {"rule": "share"}}, "policy.assumption.share"),
        ({"assumption": {"rule": "share", "share": "3/2"}}, "policy.assumption.share"),
        ({"assumption": {"rule": "share", "share": "0/2"}}, "policy.assumption.share"),
        ({"assumption": {"rule": "share", "share": "1/1001"}}, "policy.assumption.share"),
        (
            {"assumption": {"rule": "share", "share": "2/2", "more_than": True}},
            "policy.assumption.more_than",
        ),
        ({"criterion": {"share": "1/2"}}, "policy.criterion.share"),
        ({"criterion": {"rule": "share", "share": "1/2", "of": "votes"}}, "policy.criterion.of"),
        ({"decide": "close"}, "policy.decide"),
        ({"decide": "close", "ttl_seconds": 0}, "policy.decide"),
        ({"stances": ["against"]}, "policy.stances"),
        ({"stances": ["agree", "abstain"]}, "policy.stances"),
    ],
)
async def test_a_policy_that_cannot_be_is_refused_at_its_field(
    server: Running, policy: Message, path: str
) -> None:
    scene = await gathering(server, policy=by_count(3))
    refused = await scene.admin.send(
        "event.set_policy", event=scene.event, policy_version=1, policy=policy
    )
    assert (refused["code"], refused["details"]["path"]) == ("bad_request", path)


async def test_a_majority_of_the_votes_decides_at_the_close(
    server: Running, close: Callable[[Scene, str], Awaitable[Message]]
) -> None:
    policy = share("votes", more_than=True) | CLOSING | {"stances": THREE}
    scene = await gathering(server, 4, policy=policy)
    won, tied, nobody = [await scene.propose() for _ in range(3)]
    one, two, three, four = scene.members
    for by, stance in ((one, "agree"), (two, "agree"), (three, "against"), (four, "abstain")):
        said = await say(scene, by, won, stance)
    assert said["result"] == {
        "agree": 2, "against": 1, "abstain": 1, "eligible": 5, "status": "pending"
    }  # fmt: skip
    await say(scene, one, tied, "agree")
    await say(scene, two, tied, "against")
    passed, failed, empty = [await close(scene, id) for id in (won, tied, nobody)]
    assert (passed["status"], passed["resolution"]) == ("accepted", "auto_votes")
    assert passed["decision"] == {
        "agree": 2, "against": 1, "abstain": 1, "eligible": 5, "rule": "share", "share": "1/2",
        "more_than": True, "of": "votes", "policy_version": 1,
    }  # fmt: skip
    assert "resolved_by" not in passed
    for lost in (failed, empty):
        assert (lost["status"], lost["resolution"]) == ("rejected", "expired")


async def test_another_stance_replaces_the_vote_and_you_are_shown_it(server: Running) -> None:
    scene = await gathering(server, 1, policy=by_count(3) | {"stances": THREE[:2]})
    (member,) = scene.members
    proposal = await scene.propose()
    room = await member.subscribe(scene.event)
    assert (await say(scene, member, proposal, "against"))["applied"]
    assert not (await say(scene, member, proposal, "against"))["applied"]
    refused = await say(scene, member, proposal, "abstain")
    assert (refused["code"], refused["details"]["path"]) == ("bad_request", "stance")
    await member.until(lambda: room.you["stances"].get(proposal) == "against")
    assert room.you["votes"] == {proposal: 1}
    changed = await say(scene, member, proposal, "agree")
    assert changed["result"] == {"agree": 1, "against": 0, "eligible": 2, "status": "pending"}
    await room.reached(changed["seq"])
    await member.until(lambda: room.you["stances"] == {})
    shown = room.state["proposals"][proposal]
    assert {name: shown[name] for name in ("agree", "against", "voters")} == {
        "agree": 1, "against": 0, "voters": 1
    }  # fmt: skip
    assert shown["terms"] == {"stances": THREE[:2]}


@pytest.mark.parametrize("stances", [THREE[:1], THREE])
async def test_a_hidden_tally_is_nowhere_until_the_close(
    server: Running, stances: list[str], close: Callable[[Scene, str], Awaitable[Message]]
) -> None:
    policy = share() | CLOSING | {"tally": "close", "stances": stances}
    scene = await gathering(server, 3, policy=policy)
    proposal = await scene.propose()
    rooms = await scene.watch(*scene.everyone)
    answers = [await say(scene, member, proposal, "agree") for member in scene.members]
    answers.append(
        await scene.members[0].send("vote.retract", event=scene.event, proposal=proposal)
    )
    for number, answer in enumerate(answers, 1):
        expected: Message = {"eligible": 4}
        if len(stances) > 1:
            expected["voters"] = min(number, 3)
        assert answer["result"] == expected | ({"status": "pending"} if number < 4 else {})
    async with caller(server, scene.admin.user) as http:
        journal = (await http.get(f"/events/{scene.event}/journal")).text
    for room in rooms:
        await room.reached(answers[-1]["seq"])
        shown = room.state["proposals"][proposal]
        assert not shown.keys() & {"agree", "against", "abstain", "decision"}
        assert ("voters" in shown) is (len(stances) > 1)
    votes = [line for line in json.loads(journal)["lines"] if line["command"].startswith("vote.")]
    assert len(votes) == 4
    assert not any('"agree' in line["answer"] + line["patches"] for line in votes)
    one = {"assumption": {"rule": "count", "threshold": 1}, "decide": "reached"}
    preview = await scene.admin.ask("event.preview_policy", event=scene.event, policy=one)
    assert preview["would_accept"] == []
    listed = await ask(scene, scene.admin, "turnout.list", proposal=proposal)
    assert (listed["type"] == "turnout") is (len(stances) > 1), listed
    closed = await close(scene, proposal)
    assert (closed["status"], closed["agree"]) == ("accepted", 2)


async def test_named_votes_are_listed_and_secret_ones_are_not(server: Running) -> None:
    scene = await gathering(server, 2, policy=by_count(5) | {"stances": THREE, "votes": "named"})
    one, two = scene.members
    proposal = await scene.propose()
    await say(scene, one, proposal, "against")
    await say(scene, two, proposal, "agree")
    await scene.do("event.set_policy", policy_version=1, policy={"votes": "secret"})
    secret = await scene.propose()
    await say(scene, one, secret, "abstain")
    listed = await ask(scene, one, "votes.list", proposal=proposal, limit=1)
    rest = await ask(scene, one, "votes.list", proposal=proposal, before=listed["next"])
    found = {vote["user"]: vote["stance"] for vote in listed["votes"] + rest["votes"]}
    assert found == {one.user: "against", two.user: "agree"}
    assert "next" not in rest
    refused = await ask(scene, scene.admin, "votes.list", proposal=secret)
    assert refused["code"] == "forbidden"
    turnout = await ask(scene, scene.admin, "turnout.list", proposal=secret)
    assert [voter["user"] for voter in turnout["turnout"]] == [one.user]
    assert (await ask(scene, one, "turnout.list", proposal=secret))["code"] == "forbidden"
    ballots = await ask(scene, scene.admin, "turnout.list", ballot=True)
    assert ballots["turnout"] == []


async def test_lists_of_votes_and_turnout_over_http_are_those_of_the_socket(
    server: Running,
) -> None:
    scene = await gathering(server, 2, policy=by_count(5) | {"stances": THREE, "votes": "named"})
    one, two = scene.members
    proposal = await scene.propose()
    for member, stance in ((one, "against"), (two, "agree")):
        await say(scene, member, proposal, stance)
    first = max(one.user, two.user)
    asked: list[tuple[str, Message]] = [
        ("votes", {"proposal": proposal}),
        ("votes", {"proposal": proposal, "limit": 1}),
        ("votes", {"proposal": proposal, "before": first}),
        ("turnout", {"proposal": proposal, "limit": 1}),
        ("turnout", {"ballot": True}),
        ("votes", {"proposal": "no-such-proposal"}),
    ]
    for client in (scene.admin, one, await scene.newcomer()):
        async with caller(server, client.user) as http:
            for name, fields in asked:
                over_socket = await ask(scene, client, f"{name}.list", **fields)
                params = {key: str(value).lower() for key, value in fields.items()}
                answer = await http.get(f"/events/{scene.event}/{name}", params=params)
                over_socket.pop("ref", None)
                assert answer.json() == over_socket
                assert (answer.status_code == 200) is (over_socket["type"] == name)


async def test_only_those_of_the_opening_vote_whoever_comes_or_goes(server: Running) -> None:
    policy = share(share="2/3") | {"electorate": "opening"}
    scene = await gathering(server, 2, policy=policy)
    one, two = scene.members
    proposal = await scene.propose()
    late = await scene.member()
    assert (await scene.vote(late, proposal))["code"] == "not_eligible"
    assert (await scene.vote(one, proposal))["result"]["eligible"] == 3
    await one.ack("membership.leave", event=scene.event)
    await two.ack("membership.leave", event=scene.event)
    shown = (await scene.state())["proposals"][proposal]
    assert (shown["agree"], shown["eligible"]) == (0, 3)
    for member in (one, two):
        await scene.join(member)
        voted = await scene.vote(member, proposal)
    assert voted["result"] == {"agree": 2, "eligible": 3, "status": "accepted"}


async def test_an_organiser_of_then_is_not_of_the_electorate(server: Running) -> None:
    scene = await gathering(server, 1, policy=by_count(5) | {"electorate": "opening"})
    (member,) = scene.members
    await scene.do("membership.set_role", user=member.user, role="organiser")
    proposal = await scene.propose()
    await scene.do("membership.set_role", user=member.user, role="member")
    assert (await scene.vote(member, proposal))["code"] == "not_eligible"


async def test_a_proposal_keeps_its_terms_and_a_journal_of_them_verifies(
    server: Running, close: Callable[[Scene, str], Awaitable[Message]]
) -> None:
    scene = await gathering(server, 2, policy=by_count(3))
    plain = await scene.propose()
    await scene.vote(scene.members[0], plain)
    new = share("votes") | CLOSING | {"stances": THREE, "electorate": "opening"}
    changed = await scene.do("event.set_policy", policy_version=1, policy=new)
    assert changed["accepted"] == []
    assert (await say(scene, scene.members[1], plain, "against"))["code"] == "bad_request"
    termed = await scene.propose()
    old = by_count(3)["assumption"] | {"share": None, "of": None, "more_than": None}
    back: Message = dict.fromkeys(("assumption", "criterion", "conclusion"), old)
    back |= dict.fromkeys(("decide", "stances", "electorate", "ttl_seconds"))
    await scene.do("event.set_policy", policy_version=2, policy=back)
    votes = (say(scene, member, termed, "agree") for member in scene.everyone)
    said: list[dict[str, Any]] = await asyncio.gather(*votes)
    assert {one["result"]["status"] for one in said} == {"pending"}
    assert "every patch and the tables agree" in await audit.verify_event(
        server.node.database, scene.event
    )
    # Its time is changed behind the journal's back, so the journal no longer proves it.
    assert (await close(scene, termed))["status"] == "accepted"
    state = (await scene.state())["proposals"]
    assert "terms" not in state[plain]
    assert state[plain]["status"] == "pending"
