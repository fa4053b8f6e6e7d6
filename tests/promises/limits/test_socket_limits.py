"""Limits of one socket: requests under way, rate, guesses, rooms, and their answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.fixtures.servers import Start
from tests.promises.client import is_alive
from tests.promises.running import Running
from tests.promises.scenes import gathering


async def test_over_inflight_is_busy_and_the_same_id_may_come_again(start: Start) -> None:
    server = await start(inflight=8)
    scene = await gathering(server, 1)
    (client,) = scene.members
    proposal = await scene.propose()
    ids = [client.new_id() for _ in range(40)]
    commands = [
        {"type": "comment.add", "id": id, "event": scene.event, "proposal": proposal, "content": id}
        for id in ids
    ]
    futures = [client.expect(id) for id in ids]
    await client.raw(json.dumps(commands))
    answers = [await client.answered(future) for future in futures]
    busy = [answer for answer in answers if answer["type"] == "error"]
    assert busy
    for answer in busy:
        assert (answer["code"], answer["effect"], answer["retry"]) == ("busy", "none", "same")
        assert answer["retry_after_ms"] > 0
    for answer in busy:
        ack = await client.ack(
            "comment.add",
            id=answer["id"],
            event=scene.event,
            proposal=proposal,
            content=answer["id"],
        )
        assert ack["replayed"] is False
    state = await scene.state()
    assert sorted(c["content"] for c in state["comments"].values()) == sorted(ids)


async def test_requests_over_inflight_are_busy_too(start: Start) -> None:
    server = await start(inflight=4)
    client = await server.connect("ada")
    refs = [client.new_ref() for _ in range(30)]
    futures = [client.expect(ref) for ref in refs]
    await client.say([{"type": "events.list", "ref": ref} for ref in refs])
    answers = [await client.answered(future) for future in futures]
    kinds = {answer["type"] for answer in answers}
    assert kinds == {"events", "error"}
    assert {a["code"] for a in answers if a["type"] == "error"} == {"busy"}


async def test_over_the_rate_is_rate_limited_with_the_socket_open(start: Start) -> None:
    server = await start(commands_per_second=50, commands_burst=10)
    client = await server.connect("ada")
    refs = [client.new_ref() for _ in range(16)]
    futures = [client.expect(ref) for ref in refs]
    await client.say([{"type": "ping", "ref": ref} for ref in refs])
    answers = [await client.answered(future) for future in futures]
    limited = [answer for answer in answers if answer["type"] == "error"]
    assert limited
    for answer in limited:
        assert (answer["code"], answer["effect"], answer["retry"]) == (
            "rate_limited",
            "none",
            "same",
        )
        assert answer["retry_after_ms"] > 0
    await asyncio.sleep(limited[-1]["retry_after_ms"] / 1000 * 2)
    await is_alive(client)


async def test_what_was_on_its_way_before_the_first_refusal_is_no_flood(start: Start) -> None:
    server = await start(commands_per_second=1, commands_burst=5, inflight=200)
    client = await server.connect("ada")
    refs = [client.new_ref() for _ in range(200)]
    futures = [client.expect(ref) for ref in refs]
    await client.say([{"type": "ping", "ref": ref} for ref in refs])
    codes = [(await client.answered(future)).get("code") for future in futures]
    assert codes.count("rate_limited") >= 190
    answer = await client.request({"type": "ping"})
    while answer["type"] != "pong":
        assert answer["code"] == "rate_limited"
        await asyncio.sleep(answer["retry_after_ms"] / 1000)
        answer = await client.request({"type": "ping"})


async def test_a_sustained_flood_closes_4429(start: Start) -> None:
    server = await start(commands_per_second=1, commands_burst=20, inflight=30)
    client = await server.connect("ada")
    await client.say([{"type": "ping"}] * 60)
    assert await client.gone() == 4429
    assert client.of("bye")[0]["code"] == 4429
    bystander = await server.connect("bob")
    await is_alive(bystander)


async def test_guesses_of_codes_are_limited_hard(server: Running) -> None:
    client = await server.connect("guesser")
    codes = []
    for number in range(30):
        answer = await client.request({"type": "event.overview", "code": f"WRONG{number % 10}"})
        codes.append(answer["code"])
    assert codes[0] == "not_found"
    assert codes[-1] == "rate_limited"
    assert codes.count("not_found") <= 12
    joined = await client.send("membership.join", code="WRONGX")
    assert (joined["code"], joined["effect"]) == ("rate_limited", "none")
    other = await server.connect("other")
    assert (await other.request({"type": "event.overview", "code": "WRONG1"}))["code"] == (
        "not_found"
    )


async def test_a_socket_may_be_in_so_many_rooms(start: Start) -> None:
    server = await start(subscriptions=3)
    client = await server.connect("ada")
    events = [
        (await client.result("event.create", subject=f"Room {number}"))["event"]
        for number in range(4)
    ]
    for event in events[:3]:
        await client.subscribe(event)
    answer = await client.request({"type": "subscribe", "event": events[3]})
    assert answer["code"] == "limit_reached"
    await client.subscribe(events[0])
    await client.ask("unsubscribe", event=events[1])
    await client.subscribe(events[3])


async def test_sixty_four_rooms_are_allowed_by_default(server: Running) -> None:
    client = await server.connect("ada")
    futures = [await client.post("event.create", subject=f"Room {n}") for n in range(65)]
    events = [(await client.answered(future))["event"] for future in futures]
    refs = [client.new_ref() for _ in events]
    answers = [client.expect(ref) for ref in refs]
    for event, ref in zip(events, refs, strict=True):
        await client.say({"type": "subscribe", "event": event, "ref": ref})
    told = [(await client.answered(answer))["type"] for answer in answers]
    assert told == ["snapshot"] * 64 + ["error"]


async def test_a_limit_is_named_where_it_is_reached(start: Start) -> None:
    server = await start(options=2, criteria=1, assumptions=1, pending_proposals=1)
    ada = await server.connect("ada")

    async def most(type: str, **fields: Any) -> tuple[str, int]:
        details = (await ada.refused("limit_reached", type, **fields))["details"]
        return details["name"], details["limit"]

    assert await most("event.create", subject="x", options=["a", "b", "c"]) == ("options", 2)
    made = await ada.result("event.create", subject="x", options=["a", "b"], criteria=["c"])
    event = made["event"]
    assert await most("option.add", event=event, content="d") == ("options", 2)
    assert await most("criterion.add", event=event, content="d") == ("criteria", 1)
    await ada.result("event.start", event=event)
    criterion = {"kind": "criterion", "category": "create", "content": "d"}
    proposal = (await ada.result("proposal.create", event=event, **criterion))["proposal"]
    assert await most("proposal.create", event=event, **criterion) == ("pending_proposals", 1)
    assert await most("proposal.accept", event=event, proposal=proposal) == ("criteria", 1)


async def test_one_author_takes_not_all_places_for_proposals(start: Start) -> None:
    server = await start(pending_proposals=5, pending_per_author=3)
    scene = await gathering(server, 2)
    greedy, other = scene.members
    mine = [await scene.propose(by=greedy) for _ in range(3)]
    wish = {"event": scene.event, "kind": "assumption", "category": "create", "content": "x"}
    refused = await greedy.refused("limit_reached", "proposal.create", **wish)
    assert refused["details"] == {"limit": 3, "name": "pending_per_author"}
    await scene.propose(by=other)
    await scene.propose()
    refused = await other.refused("limit_reached", "proposal.create", **wish)
    assert refused["details"] == {"limit": 5, "name": "pending_proposals"}
    # A decided or withdrawn proposal is not pending, and makes room for its author alone.
    await greedy.ack("proposal.withdraw", event=scene.event, proposal=mine[0])
    await scene.propose(by=greedy)
    await scene.do("proposal.reject", proposal=mine[1])
    await scene.propose(by=greedy)
    await greedy.refused("limit_reached", "proposal.create", **wish)
