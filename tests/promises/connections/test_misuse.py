"""Frames that are not messages, batches, limits, and their answers.

``docs/protocol.md``, "Transport" and "Keeping the line".
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.fixtures.servers import Start
from tests.promises.client import is_alive
from tests.promises.running import Running, token
from tests.promises.scenes import fresh, gathering

NO_MESSAGES = [
    "",
    "   ",
    "hello",
    "42",
    "null",
    "true",
    '"ping"',
    "{",
    '{"type":"ping"',
    '{"type":"ping"}{"type":"ping"}',
    "[",
    '[{"type":"ping"}',
    "[1,]",
    "NaN",
    "{'type':'ping'}",
    '{"type":"ping",}',
    "\ufeff{}",
    "[" * 5_000,
    '{"a":' * 5_000,
]


async def test_what_is_no_json_object_or_array_is_a_bad_frame(server: Running) -> None:
    for start in range(0, len(NO_MESSAGES), 9):
        client = await server.connect("ada")
        for text in NO_MESSAGES[start : start + 9]:
            before = len(client.of("error"))
            await client.raw(text)
            answer = (await client.saw("error", before + 1))[-1]
            assert (answer["code"], answer["effect"], answer["retry"]) == (
                "bad_frame",
                "none",
                "fix",
            ), text[:40]
            assert "id" not in answer
        await is_alive(client)


async def test_a_binary_frame_is_a_bad_frame(server: Running) -> None:
    client = await server.connect("ada")
    for payload in (b'{"type":"ping"}', b"", b"\xff\x00"):
        before = len(client.of("error"))
        await client.raw(payload)
        assert (await client.saw("error", before + 1))[-1]["code"] == "bad_frame"
    await is_alive(client)


async def test_ten_bad_frames_close_4501(server: Running) -> None:
    client = await server.connect("ada")
    for number in range(10):
        await client.raw(b"\x00" if number % 2 else "nonsense")
    assert await client.gone() == 4501
    assert [error["code"] for error in client.of("error")] == ["bad_frame"] * 10


async def test_an_unknown_type_leaves_the_socket_open(server: Running) -> None:
    client = await server.connect("ada")
    for _ in range(20):
        answer = await client.request({"type": "vote.sell", "id": "unknown-1"})
        assert (answer["code"], answer["id"]) == ("unknown_type", "unknown-1")
        client.expect("unknown-1").cancel()
    await is_alive(client)


async def test_unknown_fields_are_ignored(server: Running) -> None:
    client = await server.connect("ada")
    await client.ask("ping", colour="blue", nested={"deep": [1, {"x": None}]})
    assert (await client.ack("event.create", subject="Tea", flavour="mint"))["applied"]


async def test_an_empty_batch_is_nothing(server: Running) -> None:
    client = await server.connect("ada")
    for text in ("[]", " [ ] ", "\n[\t]\r\n"):
        await client.raw(text)
    await is_alive(client)
    assert [message["type"] for message in client.received] == ["welcome", "pong"]


async def test_an_element_that_is_no_object_is_a_bad_request(server: Running) -> None:
    client = await server.connect("ada")
    ref = client.new_ref()
    future = client.expect(ref)
    await client.say([1, None, [], "x", True, {"type": "ping", "ref": ref}])  # type: ignore[list-item]
    await client.answered(future)
    assert [error["code"] for error in client.of("error")] == ["bad_request"] * 5
    await is_alive(client)


async def test_a_longer_batch_gets_one_too_large_and_nothing_of_it_runs(start: Start) -> None:
    server = await start(batch=4)
    client = await server.connect(fresh("batcher"))
    creates = [
        {"type": "event.create", "id": f"create-{number}", "subject": "Batch"}
        for number in range(5)
    ]
    await client.say(creates)
    (error,) = await client.saw("error")
    assert (error["code"], error["retry"]) == ("too_large", "fix")
    assert "id" not in error
    answer = await client.ask("events.list")
    assert answer["events"] == []
    assert len(client.of("error")) == 1
    futures = [client.expect(create["id"]) for create in creates[:4]]
    await client.say(creates[:4])
    for future in futures:
        assert (await client.answered(future))["applied"]


async def test_batches_are_answered_one_by_one_and_may_come_as_arrays(server: Running) -> None:
    scene = await gathering(server, 1)
    (client,) = scene.members
    proposals = [await scene.propose() for _ in range(30)]
    votes: list[dict[str, Any]] = [
        {
            "type": "vote.cast",
            "id": client.new_id(),
            "event": scene.event,
            "proposal": proposal,
            "revision": 1,
        }
        for proposal in proposals
    ]
    futures = [client.expect(vote["id"]) for vote in votes]
    await client.say(votes)
    answers = [await client.answered(future) for future in futures]
    assert [answer["id"] for answer in answers] == [vote["id"] for vote in votes]
    assert [answer["seq"] for answer in answers] == sorted(answer["seq"] for answer in answers)
    arrays = [frame for frame in client.frames if isinstance(frame, list)]
    assert arrays, "a client that sends batches is answered in batches"
    assert all(isinstance(message, dict) for frame in arrays for message in frame)


async def test_who_sends_no_batches_gets_none(server: Running) -> None:
    client = await server.connect("ada")
    futures = [await client.post("event.create", subject="One") for _ in range(20)]
    for future in futures:
        await client.answered(future)
    assert all(isinstance(frame, dict) for frame in client.frames)


async def test_a_message_too_large_is_told_under_its_id(start: Start) -> None:
    server = await start(message_bytes=2_048)
    client = await server.connect("ada")
    await client.refused(
        "too_large", "event.create", id="too-large-1", subject="x", assumptions=["y" * 2_500]
    )
    answer = await client.request({"type": "ping", "junk": "z" * 3_000})
    assert answer["code"] == "too_large"
    await client.raw("[" + "1," * 2_000 + "1]")
    assert (await client.saw("error", 3))[-1]["code"] == "too_large"
    await is_alive(client)


async def test_a_message_over_the_hard_cap_closes_1009(server: Running) -> None:
    client = await server.connect("ada")
    await client.raw(json.dumps({"type": "ping", "junk": "z" * 900_000}))
    assert (await client.saw("error"))[-1]["code"] == "too_large"
    await client.raw(json.dumps({"type": "ping", "junk": "z" * 1_100_000}))
    assert await client.gone() == 1009


async def test_broken_utf8_closes_1007(server: Running) -> None:
    client = await server.connect("ada")
    await client.socket.send(b'{"type":"\xff\xfe"}', text=True)
    assert await client.gone() == 1007


async def test_a_ref_is_echoed_whatever_is_answered(server: Running) -> None:
    scene = await gathering(server)
    client = scene.admin
    event = scene.event
    for ref in ("", "a", "ü" * 64, 0, 7, 2**53 - 1):
        for request in (
            {"type": "ping"},
            {"type": "subscribe", "event": event},
            {"type": "unsubscribe", "event": event},
            {"type": "unsubscribe", "event": event},
            {"type": "subscribe", "event": "no-such-event"},
            {"type": "events.list"},
            {"type": "events.list", "limit": 0},
            {"type": "event.overview", "code": scene.code},
            {"type": "event.preview_policy", "event": event, "policy": {}},
            {"type": "comments.list", "event": event},
            {"type": "proposals.list", "event": event},
            {"type": "members.list", "event": event},
            {"type": "requests.list", "event": event},
            {"type": "command.status", "event": event, "ids": []},
            {"type": "nonsense"},
        ):
            before = len(client.received)
            await client.say(request | {"ref": ref})

            def told(before: int = before, ref: object = ref) -> bool:
                return any(m.get("ref", ...) == ref for m in client.received[before:])

            if (ref == "" and request["type"] in ("nonsense",)) or (
                "limit" in request and ref == ""
            ):
                continue  # Sent to no single user.
            await client.until(told, f"{request['type']} with ref {ref!r}")


async def test_a_ref_of_a_wrong_kind_is_a_bad_request(server: Running) -> None:
    client = await server.connect("ada")
    refs: tuple[Any, ...] = (True, 1.5, -1, 2**53, [], {}, "r" * 65)
    for ref in refs:
        before = len(client.of("error"))
        await client.say({"type": "ping", "ref": ref})
        error = (await client.saw("error", before + 1))[-1]
        assert (error["code"], error["details"]["path"]) == ("bad_request", "ref"), ref


@pytest.mark.parametrize("cut", ["close", "abort"])
async def test_one_who_goes_right_after_hello_leaves_nothing_behind(
    server: Running, cut: str, recwarn: pytest.WarningsRecorder
) -> None:
    """The greeting's own task does not stay half made."""
    for _ in range(10):
        client = await server.open("ada")
        await client.raw(json.dumps({"type": "hello", "token": token("ada")}))
        await (client.leave() if cut == "close" else client.drop())
    bystander = await server.connect("bob")
    await is_alive(bystander)
    async with asyncio.timeout(30):
        while len(server.node.sockets.all) > 1:
            await asyncio.sleep(0.01)
    # The remains do not count against the user's connections.
    for _ in range(server.node.settings.connections_per_user):
        await server.connect("ada")
    assert not list(recwarn)
