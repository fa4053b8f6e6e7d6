"""A command that is sent again has one effect and one answer: promise 2 of ``docs/protocol.md``."""

from __future__ import annotations

import json
from typing import Any

from tests.fixtures.servers import Start
from tests.promises.client import together
from tests.promises.running import Running
from tests.promises.scenes import by_count, fresh, gathering
from tests.promises.tables import lines, same


async def test_a_repeat_gets_the_same_ack(server: Running) -> None:
    scene = await gathering(server, 1)
    (client,) = scene.members
    proposal = await scene.propose()
    first = await client.ack(
        "vote.cast", id="my-vote-1", event=scene.event, proposal=proposal, revision=1
    )
    assert (first["applied"], first["replayed"]) == (True, False)
    other_tab = await server.connect(client.user)
    for sender in (client, other_tab, client):
        again = await sender.ack(
            "vote.cast", id="my-vote-1", event=scene.event, proposal=proposal, revision=1
        )
        assert again["replayed"] is True
        assert same(again) == same(first)
    assert (await scene.state())["proposals"][proposal]["agree"] == 1


async def test_the_same_id_over_twenty_sockets_at_once_has_one_effect(
    start: Start, migrated_url: str
) -> None:
    server = await start(connections_per_user=30)
    scene = await gathering(server, 1, policy=by_count(5))
    (voter,) = scene.members
    sockets = [await server.connect(voter.user) for _ in range(20)]
    for _ in range(5):
        proposal = await scene.propose()
        id = voter.new_id()
        acks = await together(
            *(
                socket.ack("vote.cast", id=id, event=scene.event, proposal=proposal, revision=1)
                for socket in sockets
            )
        )
        assert sorted(ack["replayed"] for ack in acks) == [False] + [True] * 19
        assert all(same(ack) == same(acks[0]) for ack in acks)
        assert (await scene.state())["proposals"][proposal]["agree"] == 1
        found = [
            line for line in await lines(migrated_url, scene.event) if line["command_id"] == id
        ]
        assert len(found) == 1


async def test_one_id_twice_in_one_batch_is_one_command(server: Running) -> None:
    scene = await gathering(server)
    client = scene.admin
    command = {"type": "event.rotate_code", "id": "twice-in-batch", "event": scene.event}
    futures = [client.expect(command["id"]) for _ in range(3)]
    await client.say([command] * 3)
    acks = [await client.answered(future) for future in futures]
    assert [ack["replayed"] for ack in acks] == [False, True, True]
    assert len({ack["result"]["entrance_code"] for ack in acks}) == 1


async def test_the_same_id_with_another_payload_is_a_conflict(server: Running) -> None:
    scene = await gathering(server)
    admin = scene.admin
    proposal = await scene.propose()
    given: dict[str, Any] = {"event": scene.event, "proposal": proposal, "content": "one"}
    await admin.ack("comment.add", id="conflict-1", **given)
    for type_, changed in (
        ("comment.add", given | {"content": "two"}),
        ("event.pause", {"event": scene.event}),
    ):
        error = await admin.refused("id_conflict", type_, id="conflict-1", **changed)
        assert (error["effect"], error["retry"]) == ("none", "fix")
    # Same content, so no other payload: field order, unknown fields, white space, defaults.
    await admin.raw(
        json.dumps(
            {"x": 1, "content": "one", "proposal": proposal}
            | {"event": scene.event, "id": "conflict-1", "type": "comment.add", "criterion": None},
            indent=3,
        )
    )
    again = await admin.answered(admin.expect("conflict-1"))
    assert again["replayed"] is True
    assert (await scene.state())["counts"]["comments"] == 1


async def test_a_conflict_in_one_batch_spares_the_first(server: Running) -> None:
    scene = await gathering(server)
    proposal = await scene.propose()
    admin = scene.admin
    commands = [
        {
            "type": "comment.add",
            "id": "same-batch",
            "event": scene.event,
            "proposal": proposal,
            "content": content,
        }
        for content in ("one", "two", "one")
    ]
    futures = [admin.expect("same-batch") for _ in commands]
    await admin.say(commands)
    answers = [await admin.answered(future) for future in futures]
    assert [a.get("code", a.get("replayed")) for a in answers] == [False, "id_conflict", True]


async def test_ids_are_of_a_user_and_an_event(server: Running) -> None:
    one = await gathering(server, 1)
    two = await gathering(server)
    for client, event in (
        (one.admin, one.event),
        (two.admin, two.event),
    ):
        assert (await client.ack("event.pause", id="shared-id", event=event))["applied"]
    proposal_error = await one.members[0].send("event.resume", id="shared-id", event=one.event)
    assert proposal_error["code"] == "forbidden"


async def test_a_retried_create_finds_the_event_it_made(server: Running) -> None:
    user = fresh("maker")
    ada, tab = await server.connect(user), await server.connect(user)
    acks = await together(
        *(
            client.ack("event.create", id="make-it-once", subject="Once")
            for client in (ada, tab) * 5
        )
    )
    assert len({ack["event"] for ack in acks}) == 1
    assert sorted(ack["replayed"] for ack in acks) == [False] + [True] * 9
    assert len((await ada.ask("events.list"))["events"]) == 1
    bob = await server.connect(fresh("maker"))
    other = await bob.ack("event.create", id="make-it-once", subject="Once")
    assert other["event"] != acks[0]["event"]
