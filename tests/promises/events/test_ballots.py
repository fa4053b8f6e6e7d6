"""The final ballot by each method: its choices, its count, and who is shown which part of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from persistence.journal.chain import digest
from server.cli import audit
from tests.promises.client import Client, Message
from tests.promises.http_caller import caller
from tests.promises.running import Running
from tests.promises.scenes import Scene, gathering

ABC = ["Pizza", "Soup", "Salad"]


class Poll:
    """An event with options and the ballots of its members."""

    def __init__(self, scene: Scene, options: list[str], criteria: list[str]) -> None:
        self.scene, self.options, self.criteria = scene, options, criteria

    def fields(self, *chosen: int, **fields: Any) -> Message:
        """Cast a ballot for the options at these places."""
        return {"options": [self.options[place] for place in chosen], "criteria_rev": 1} | fields

    async def ballot(self, by: Client, *chosen: int, **fields: Any) -> Message:
        """A ballot's ack."""
        return await by.ack(
            "ballot.submit", event=self.scene.event, **self.fields(*chosen), **fields
        )

    async def refused(self, by: Client, **fields: Any) -> tuple[str, str]:
        """The code and the field of a refused ballot."""
        given: Message = {"event": self.scene.event, "criteria_rev": 1} | fields
        answer = await by.send("ballot.submit", **given)
        return answer["code"], answer["details"]["path"]

    async def results(self) -> Message:
        """Finish, and return the results with the texts of the options."""
        await self.scene.do("event.finish")
        results: Message = (await self.scene.state())["results"]
        return results

    def words(self, ids: list[str]) -> list[str]:
        """The texts of these options."""
        return [ABC[self.options.index(id)] for id in ids]

    async def verified(self) -> None:
        """``ayes verify`` finds no difference."""
        database = self.scene.server.node.database  # type: ignore[attr-defined]
        assert "the tables agree" in await audit.verify_event(database, self.scene.event)


async def poll(server: Running, members: int, method: str, **fields: Any) -> Poll:
    """An event in progress whose ballot has this method."""
    named = fields.pop("named", False)
    scene = await gathering(
        server,
        members,
        policy={"ballot": {"method": method, "named": named}},
        options=ABC,
        **fields,
    )
    state = await scene.state()
    options = sorted(state["options"], key=lambda id: int(state["options"][id]["position"]))
    criteria = sorted(state["criteria"], key=lambda id: int(state["criteria"][id]["position"]))
    return Poll(scene, options, criteria)


async def test_a_ranked_ballot_is_counted_round_by_round(server: Running) -> None:
    made = await poll(server, 4, "ranked")
    people = made.scene.everyone
    for client, chosen in zip(people, [(0,), (0, 2), (1, 2), (1, 0), (2, 1)], strict=True):
        await made.ballot(client, *chosen)
    pizza, soup, salad = made.options
    assert await made.results() == {
        "ballots": 5,
        "eligible": 5,
        "method": "ranked",
        "options": [
            {"option": soup, "votes": 3, "rank": 1},
            {"option": pizza, "votes": 2, "rank": 2},
            {"option": salad, "votes": 1, "rank": 3},
        ],
        "rounds": [
            {
                "options": [
                    {"option": pizza, "votes": 2},
                    {"option": soup, "votes": 2},
                    {"option": salad, "votes": 1},
                ],
                "exhausted": 0,
                "out": [salad],
            },
            {
                "options": [{"option": pizza, "votes": 2}, {"option": soup, "votes": 3}],
                "exhausted": 0,
                "out": [],
            },
        ],
        "winners": [soup],
        "criteria": [],
    }
    await made.verified()


async def test_an_approval_ballot_counts_each_option_that_it_names(server: Running) -> None:
    made = await poll(server, 2, "approval")
    ada, bob, cid = made.scene.everyone
    await made.ballot(ada, 0, 1)
    await made.ballot(bob, 1)
    await made.ballot(cid, 1, 2)
    # A set has no order, so there is nothing to change.
    assert not (await made.ballot(cid, 2, 1))["applied"]
    room = await cid.subscribe(made.scene.event)
    assert room.you["ballot"] == made.fields(1, 2) | {"criterion_order": [], "revision": 1}
    results = await made.results()
    assert results["method"] == "approval"
    assert [(entry["votes"], entry["rank"]) for entry in results["options"]] == [
        (3, 1),
        (1, 2),
        (1, 2),
    ]
    await made.verified()


@pytest.mark.parametrize(("method", "ballots"), [("ranked", 0), ("ranked", 1), ("approval", 0)])
async def test_none_or_one_ballot_is_a_result(server: Running, method: str, ballots: int) -> None:
    made = await poll(server, 0, method)
    if ballots:
        await made.ballot(made.scene.admin, 2)
    results = await made.results()
    assert results["ballots"] == ballots
    if method == "ranked":
        assert results["winners"] == ([made.options[2]] if ballots else made.options)
        assert len(results["rounds"]) == 1
    else:
        assert {entry["rank"] for entry in results["options"]} == {1}


async def test_a_ballot_is_what_its_method_asks_for(server: Running) -> None:
    ranked, single = [await poll(server, 0, method) for method in ("ranked", "single")]
    one, two, _ = ranked.options
    admin = ranked.scene.admin
    bad = "bad_request"
    assert await ranked.refused(admin, option=one) == (bad, "option")
    assert await ranked.refused(admin, options=[]) == (bad, "options")
    assert await ranked.refused(admin) == (bad, "option")
    assert await ranked.refused(admin, option=one, options=[two]) == (bad, "option")
    assert await ranked.refused(admin, options=[one, two, one]) == (bad, "options")
    assert await ranked.refused(admin, options=[one, "o_2"]) == ("not_found", "options[1]")
    wrong = await single.refused(single.scene.admin, options=single.options[:1])
    assert wrong == (bad, "options")
    counts = (await ranked.scene.state())["counts"]
    assert counts["ballots"] == 0


async def test_the_method_stands_once_a_ballot_was_submitted(server: Running) -> None:
    made = await poll(server, 0, "ranked")
    scene, version = made.scene, 1
    patch: Message
    for ballot in ({"method": "approval"}, None, {"method": "ranked"}):
        patch = {"policy_version": version, "policy": {"ballot": ballot}}
        version = (await scene.do("event.set_policy", **patch))["policy_version"]
    await made.ballot(scene.admin, 0)
    await scene.admin.ack("ballot.clear", event=scene.event)
    for wish in ({"method": "single"}, {"named": True}, None):
        patch = {"policy_version": version, "policy": {"ballot": wish}}
        refused = await scene.admin.send("event.set_policy", event=scene.event, **patch)
        assert (refused["code"], refused["details"]["path"]) == (
            "invalid_transition",
            "policy.ballot",
        )
    other = {"quorum_percent": 50, "ballot": {"method": "ranked"}}
    await scene.do("event.set_policy", policy_version=version, policy=other)
    await made.verified()


async def test_a_ranking_that_nobody_made_counts_for_nothing(server: Running) -> None:
    made = await poll(server, 2, "single", criteria=["Near", "Cheap"])
    ada, bob, cid = made.scene.everyone
    near, cheap = made.criteria
    given: Message = {"event": made.scene.event, "option": made.options[0], "criteria_rev": 1}
    await ada.ack("ballot.submit", **given, criterion_order=[cheap, near])
    await bob.ack("ballot.submit", **given)
    assert await made.refused(cid, option=made.options[0], criterion_order=[near]) == (
        "bad_request",
        "criterion_order",
    )
    await made.scene.item("criterion", "Quiet")
    results = await made.results()
    assert "method" not in results
    points = {entry["criterion"]: entry["points"] for entry in results["criteria"]}
    assert (points.pop(near), points.pop(cheap)) == (2, 3)
    assert list(points.values()) == [0]
    await made.verified()


async def test_who_leaves_takes_the_ballot_along_but_not_after_the_end(server: Running) -> None:
    made = await poll(server, 2, "ranked", named=True)
    early, late = made.scene.members
    for client, place in ((early, 0), (late, 1)):
        await made.ballot(client, place)
    await early.ack("membership.leave", event=made.scene.event)
    results = await made.results()
    assert (results["ballots"], results["eligible"]) == (1, 2)
    await late.ack("membership.leave", event=made.scene.event)
    listed = await made.scene.admin.ask("ballots.list", event=made.scene.event)
    assert [ballot["user"] for ballot in listed["ballots"]] == [late.user]
    # Its owner can still prove that it was counted.
    assert (await late.ask("ballot.receipt", event=made.scene.event))["user"] == late.user
    gone = await early.request({"type": "ballot.receipt", "event": made.scene.event})
    assert (gone["code"], gone["details"]["path"]) == ("not_found", "ballot")
    await made.verified()


async def test_nothing_that_others_are_sent_says_what_a_secret_ballot_chose(
    server: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """All messages to others, over sockets and HTTP, while the event ran and after its end."""
    made = await poll(server, 2, "ranked", criteria=["Near", "Cheap"])
    scene, (voter, other) = made.scene, made.scene.members
    await scene.watch(*scene.everyone)
    order = [made.criteria[1], made.criteria[0]]
    ids = [
        (await made.ballot(voter, *chosen, criterion_order=order))["id"]
        for chosen in ((2, 0), (2, 0, 1))
    ]
    await made.ballot(other, 1)
    gone = await scene.propose(
        kind="criterion", category="delete", target=made.criteria[0], base_version=1
    )
    await scene.do("proposal.accept", proposal=gone)
    said: list[str] = []
    paths = ("", "/journal?limit=200", "/proposals", "/members", "/ballots", "/receipt")

    async def look() -> None:
        for client in (scene.admin, other):
            async with caller(server, client.user) as http:
                for path in (*paths, *(f"/commands/{id}" for id in ids)):
                    said.append((await http.get(f"/events/{scene.event}{path}")).text)
            fresh = await server.connect(client.user)
            await fresh.subscribe(scene.event)
            said.extend(json.dumps(message) for message in (*client.received, *fresh.received))

    await look()
    await scene.do("event.finish")
    await look()
    said.extend(json.dumps(line) for line in await public(server, scene, capsys))
    texts = [text.replace(" ", "").replace("\\", "") for text in said]
    secret = [[made.options[2], made.options[0]], order]
    for ids in secret:
        # Without the closing bracket, so that a longer ballot matches a shorter one.
        words = json.dumps(ids).replace(" ", "")[:-1]
        assert not [text for text in texts if words in text]
        # Only the voter gets them.
        assert any(words in json.dumps(own).replace(" ", "") for own in voter.received)


async def journal(server: Running, scene: Scene) -> list[Message]:
    """The journal as admins read it."""
    async with caller(server, scene.admin.user) as http:
        lines: list[Message] = (await http.get(f"/events/{scene.event}/journal")).json()["lines"]
    return [line for line in lines if line["command"] == "ballot.submit"]


@pytest.mark.parametrize("method", ["single", "approval", "ranked"])
@pytest.mark.parametrize("named", [True, False])
async def test_named_ballots_are_told_after_the_end_and_secret_ones_never(
    server: Running, capsys: pytest.CaptureFixture[str], method: str, named: bool
) -> None:
    made = await poll(server, 2, method, named=named)
    scene = made.scene
    rooms = await scene.watch(*scene.everyone)
    voters = scene.members
    for place, client in enumerate(voters):
        chosen = made.options[place]
        fields = {"option": chosen} if method == "single" else {"options": [chosen]}
        await client.ack("ballot.submit", event=scene.event, criteria_rev=1, **fields)
    ask = {"type": "ballots.list", "event": scene.event}
    assert (await voters[0].request(ask))["code"] == "forbidden"
    for line in await journal(server, scene):
        assert not line.keys() & {"user", "payload", "salt"}
    end = await scene.admin.ack("event.finish", event=scene.event)
    for room in rooms:
        await room.reached(end["seq"])
    lines = await journal(server, scene)
    audit_lines = await public(server, scene, capsys)
    listed = await voters[0].request(ask)
    if named:
        assert [line["user"] for line in lines] == [client.user for client in voters]
        assert json.loads(lines[0]["payload"])["type"] == "ballot.submit"
        told = {one["user"]: one.get("options", [one.get("option")]) for one in listed["ballots"]}
        assert told == {client.user: [made.options[n]] for n, client in enumerate(voters)}
        first = await voters[0].ask(**ask, limit=1)
        rest = await voters[0].ask(**ask, before=first["next"])
        assert first["ballots"] + rest["ballots"] == listed["ballots"]
        assert "next" not in rest
    else:
        assert listed["code"] == "forbidden"
        assert all("digests" in line for line in lines)
    assert [line for line in audit_lines if line.get("command") == "ballot.submit"] == lines
    await made.verified()


async def public(
    server: Running, scene: Scene, capsys: pytest.CaptureFixture[str]
) -> list[Message]:
    """The lines of an export for the public."""
    capsys.readouterr()
    await audit.export(server.node.database, scene.event, public=True)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_a_voter_proves_that_the_ballot_is_in_the_published_journal(
    server: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await poll(server, 2, "ranked")
    scene, voter = made.scene, made.scene.members[0]
    await made.ballot(voter, 0)
    ack = await made.ballot(voter, 1, 2)
    await made.ballot(scene.members[1], 0)
    # The same ballot again changes nothing: the first one stays.
    await made.ballot(voter, 1, 2)
    receipt = await voter.ask("ballot.receipt", event=scene.event)
    assert (receipt["seq"], receipt["hash"], receipt["id"]) == (ack["seq"], ack["hash"], ack["id"])
    assert json.loads(receipt["payload"])["options"] == [made.options[1], made.options[2]]
    async with caller(server, voter.user) as http:
        over_http = (await http.get(f"/events/{scene.event}/receipt")).json()
    assert over_http == {key: receipt[key] for key in receipt if key != "ref"}
    line = (await public(server, scene, capsys))[receipt["seq"]]
    assert line["hash"] == receipt["hash"]
    salt = bytes.fromhex(receipt["salt"])
    for label in ("user", "id", "payload"):
        made_of = digest(salt, label.encode(), receipt[label].encode()).hex()
        assert made_of == line["digests"][label]
    nobody = await scene.admin.request({"type": "ballot.receipt", "event": scene.event})
    stranger = await (await scene.newcomer()).request(
        {"type": "ballot.receipt", "event": scene.event}
    )
    assert (nobody["code"], nobody["details"]["path"]) == ("not_found", "ballot")
    assert (stranger["code"], stranger["details"]["path"]) == ("not_found", "event")
