"""Wrong messages on a real socket, and correct ones with unusual content."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from protocol.errors import ERRORS, ErrorCode
from protocol.requests import MAX_TOKEN, Hello
from protocol.text import clean_text, is_empty
from server.http.entry import MAX_ENTRY_BODY_BYTES
from tests.fixtures.servers import Start
from tests.promises import running
from tests.promises.client import PATIENCE, Client, Message
from tests.promises.scenes import fresh, gathering
from tests.protocol.hostile import FRAME, TEXTS
from tests.protocol.wrong import MAX_RUN, MESSAGES, name_of, wrong_messages

#: Malicious values of the right type.
STRANGE = [
    "'; DROP TABLE events; --",
    "%s%n{0}$1\\",
    '"},{"type":"ack"}',
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "\u202eevil",
    "\u2028",
    "\ufffe\uffff",
    "𒐫" * 64,
    "e\u0301" * 32,
    MAX_RUN,
    "\ufeffone\r\ntwo\x85three\rfour",
    "\u202d\u2066\u3164x\u200b\u0f73",
    "9" * 60,
    "[" * 30 + "]" * 30,
    " ",
    "null",
    "0",
]


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The log has no defect, no traceback, and no token."""
    # The libraries' own lines at this level are about bytes; a server never shows them.
    caplog.set_level(logging.DEBUG, logger="ayes")
    yield
    for record in caplog.records:
        assert record.exc_info is None, record.getMessage()
        assert record.levelno < logging.ERROR, record.getMessage()
        assert "eyJ" not in record.getMessage(), "a token in the log"


async def answered(client: Client, messages: list[bytes]) -> list[Message]:
    """Send all of it in batches; return as many answers."""
    before = len(heard(client))
    for start in range(0, len(messages), 200):
        await client.raw("[" + b",".join(messages[start : start + 200]).decode() + "]")
        wanted = before + min(start + 200, len(messages))
        await client.until(lambda n=wanted: len(heard(client)) >= n, f"{wanted} answers")  # type: ignore[misc]
    return heard(client)[before:]


def heard(client: Client) -> list[Message]:
    """All messages but the heartbeats, which come at any time."""
    return [message for message in client.received if message["type"] != "heartbeat"]


@pytest.mark.usefixtures("quiet")
async def test_every_wrong_message_gets_its_error_on_the_socket(start: Start) -> None:
    server = await start(commands_per_second=1_000_000, commands_burst=1_000_000)
    client = await server.connect(fresh("wrong"))
    bystander = await server.connect(fresh("bystander"))
    sent = 0
    for message in MESSAGES:
        wrong = [w.payload for w in wrong_messages(message) if len(w.payload) < 60_000]
        # Over the limit of a frame it would be another error.
        groups: list[list[bytes]] = [[]]
        for payload in wrong:
            if sum(map(len, groups[-1])) + len(payload) > 60_000:
                groups.append([])
            groups[-1].append(payload)
        for group in groups:
            got = await answered(client, group)
            sent += len(group)
            assert len(got) == len(group)
            for answer in got:
                assert (answer["type"], answer["code"]) == ("error", "bad_request"), name_of(
                    message
                )
    assert sent > 2_000
    assert (await bystander.ask("ping"))["type"] == "pong"
    assert (await client.ask("ping"))["type"] == "pong"


@pytest.mark.usefixtures("quiet")
async def test_strange_values_get_documented_answers(start: Start) -> None:
    """Their types are right, so they reach the database; none of them is a defect."""
    server = await start(commands_per_second=1_000_000, commands_burst=1_000_000)
    scene = await gathering(server, options=["o"], assumptions=["a"], criteria=["c"])
    client = scene.admin
    event = scene.event
    at: dict[str, Any] = {"event": event}
    proposal = await scene.propose()
    for word in STRANGE:
        short = word[:64]
        versions = {"version": 2**31 - 1}
        commands: list[tuple[str, Message]] = [
            ("event.pause", {"event": short}),
            ("proposal.accept", at | {"proposal": short}),
            ("vote.cast", at | {"proposal": short, "revision": 2**31 - 1}),
            ("vote.cast", at | {"proposal": proposal, "revision": 2**31 - 1}),
            ("option.edit", at | {"option": short, "content": "x"}),
            ("criterion.edit", at | {"criterion": short, "content": "x"} | versions),
            ("membership.approve", at | {"user": word[:255]}),
            ("membership.set_role", at | {"user": word[:255], "role": "admin"}),
            ("membership.leave", at | {"transfer_to": word[:255]}),
            ("comment.edit", at | {"comment": short, "content": "x"} | versions),
            ("ballot.submit", at | {"option": short, "criterion_order": [short] * 50,
                                    "criteria_rev": 1}),
            ("proposal.create", at | {"kind": "criterion", "category": "update", "content": "x",
                                      "target": short, "base_version": 2**31 - 1}),
            ("event.set_policy", at | {"policy_version": 2**31 - 1, "policy": {}}),
        ]  # fmt: skip
        for type_, fields in commands:
            answer = await client.send(type_, **fields)
            assert answer["type"] == "error", (type_, word)
            assert ErrorCode(answer["code"]) in ERRORS
            assert answer["effect"] == "none", (type_, word, answer)
        # A text is normalised once, then stored and sent unchanged.
        if not is_empty(word):
            made = await client.ack("comment.add", **at, proposal=proposal, content=word)
            shown = (await scene.state())["comments"][made["result"]["comment"]]["content"]
            assert shown == clean_text(word, "content")


@pytest.mark.usefixtures("quiet")
async def test_strange_questions_get_documented_answers(start: Start) -> None:
    server = await start(commands_per_second=1_000_000, commands_burst=1_000_000)
    scene = await gathering(server)
    client = scene.admin
    biggest = 2**31 - 1
    for word in STRANGE:
        short = word[:64]
        for question in (
            {"type": "subscribe", "event": short},
            {"type": "subscribe", "event": scene.event, "epoch": short, "seq": 0},
            {"type": "unsubscribe", "event": short},
            {"type": "command.status", "event": short, "ids": ["12345678"]},
            {"type": "events.list", "after": word[:200]},
            {"type": "event.preview_policy", "event": short, "policy": {}},
            {"type": "comments.list", "event": short},
            {"type": "proposals.list", "event": short, "before": biggest},
            {"type": "members.list", "event": short, "limit": 200},
            {"type": "requests.list", "event": short, "before": 1},
        ):
            answer = await client.request(question)
            assert answer["type"] in ("error", "snapshot", "status"), question
            assert answer.get("code") != "internal", question
    for after in (
        "0001-01-01T00:00:00+14:00~x",
        "9999-12-31T23:59:59-14:00~x",
        "2026-11-23T08:00:00~x",
        "2026-11-23T08:00:00+00:00~",
        "2026-11-23T08:00:00+00:00",
    ):
        answer = await client.request({"type": "events.list", "after": after})
        assert (answer["code"], answer["details"]["path"]) == ("bad_request", "after"), after
    for kind in ("comments", "proposals", "members"):
        for before in (0, 1, biggest):
            answer = await client.ask(f"{kind}.list", event=scene.event, before=before)
            assert isinstance(answer[kind], list)
    for seq in (0, 2**53 - 1):
        room = await client.subscribe(scene.event)
        answer = await client.ask("subscribe", event=scene.event, epoch="another", seq=seq)
        assert (answer["type"], answer["reason"]) == ("snapshot", "epoch")
        assert room.seq == answer["seq"]


@pytest.mark.usefixtures("quiet")
async def test_a_wrong_hello_is_turned_away_with_4501_and_a_wrong_token_with_4500(
    start: Start,
) -> None:
    server = await start(unauthenticated=100)
    wrong = [w for w in wrong_messages(Hello) if not w.what.startswith("ref")]
    for chosen in wrong[:: max(1, len(wrong) // 25)]:
        client = await server.open()
        await client.raw(chosen.payload.decode())
        code = 4500 if chosen.what.startswith("token:") else 4501
        assert await client.gone() == code, chosen.what
        (error,) = client.of("error")
        assert error["code"] in ("unauthenticated", "bad_request"), chosen.what


@pytest.mark.usefixtures("quiet")
async def test_what_one_sends_ends_nobody_elses_socket(start: Start) -> None:
    server = await start()
    scene = await gathering(server, 1)
    (member,) = scene.members
    room = await member.subscribe(scene.event)
    attackers = [await server.open() for _ in range(4)]
    for attacker, payload in zip(
        attackers,
        ("[" * 60_000, "\x00", json.dumps({"type": "x" * 60_000}), "{" * 1_000),
        strict=True,
    ):
        for _ in range(12):
            try:
                await attacker.raw(payload)
            except Exception:
                break
    await asyncio.gather(*(attacker.gone() for attacker in attackers))
    ack = await scene.admin.ack("event.rotate_code", event=scene.event)
    await room.reached(ack["seq"])


@pytest.mark.usefixtures("quiet")
async def test_no_text_holds_the_server_up(start: Start) -> None:
    """Frames of hostile texts, from strangers and a member, cost no more than plain ones."""
    server = await start(hello_seconds=60, commands_per_second=1_000_000, unauthenticated=1_000)
    scene = await gathering(server)
    proposal = await scene.propose()

    async def cost(text: str) -> float:
        began = time.process_time()
        stranger = await server.open()
        await stranger.raw(json.dumps({"type": "hello", "token": text}, ensure_ascii=False))
        await stranger.gone()
        for field in ("content", "proposal"):
            fields = {"event": scene.event, "proposal": proposal, "content": "x", field: text}
            await scene.admin.send("comment.add", **fields)
        await scene.admin.request({"type": "auth", "token": text})
        await scene.admin.request({"type": "subscribe", "event": text})
        return time.process_time() - began

    plain = max([await cost("x" * 60_000) for _ in range(3)])
    dear = {}
    for what, made in TEXTS.items():
        # A second time, if other work took the time.
        spent = min([await cost(made(FRAME - 200)), await cost(made(FRAME - 200))])
        if spent > 10 * plain + 0.1:
            dear[what] = (spent, plain)
    assert not dear


async def test_no_body_without_a_token_holds_the_server_up(start: Start) -> None:
    """Names and secrets of strangers, within the bytes that a body may have."""
    server = await start(guests="on", hello_seconds=60)
    scene = await gathering(server, policy={"guests": True})
    size = MAX_ENTRY_BODY_BYTES - 100
    async with httpx.AsyncClient(base_url=f"{server.base}/v1", trust_env=False) as http:

        async def cost(text: str) -> float:
            began = time.process_time()
            for path, fields in (
                ("/guests", {"code": scene.code, "name": text}),
                ("/guests", {"code": text, "name": "x"}),
                ("/invitations", {"secret": text}),
            ):
                body = json.dumps(fields, ensure_ascii=False).encode(errors="replace")
                answer = await http.post(path, content=body, timeout=PATIENCE)
                assert answer.status_code in (201, 400, 404), answer.text
            return time.process_time() - began

        plain = max([await cost("x" * size) for _ in range(3)])
        dear = {}
        for what, made in TEXTS.items():
            spent = min([await cost(made(size)), await cost(made(size))])
            if spent > 10 * plain + 0.1:
                dear[what] = (spent, plain)
    assert not dear


@pytest.mark.usefixtures("quiet")
async def test_a_text_that_is_no_token_is_refused_and_the_socket_stays(start: Start) -> None:
    server = await start()
    client = await server.connect(fresh("renewing"))
    for token in ("", "x" * (MAX_TOKEN + 1), "e\u0301\x07", "x"):
        answer = await client.request({"type": "auth", "token": token})
        assert answer["code"] == "unauthenticated", token


@pytest.mark.usefixtures("quiet")
async def test_a_retry_in_another_form_is_the_same_command(start: Start) -> None:
    """The decoded command counts, not its form."""
    server = await start()
    scene = await gathering(server)
    at = {"event": scene.event, "proposal": await scene.propose(), "id": "the-same-id"}
    first = await scene.admin.ack("comment.add", **at, content="one\ncaf\u00e9")
    again = await scene.admin.ack("comment.add", **at, content="\ufeffone\r\ncafe\u0301")
    assert again == first | {"replayed": True}


@pytest.mark.usefixtures("quiet")
async def test_a_byte_order_mark_before_a_body_is_skipped(start: Start) -> None:
    server = await start()
    scene = await gathering(server, started=False)
    command = {"type": "event.update", "id": "with-a-mark", "event": scene.event, "subject": "s"}
    body = b"\xef\xbb\xbf" + json.dumps(command).encode()
    headers = {"authorization": f"Bearer {running.token(scene.admin.user)}"}
    async with httpx.AsyncClient(trust_env=False) as http:
        url = f"http://127.0.0.1:{server.port}/v1/commands"
        answer = (await http.post(url, content=body, headers=headers)).json()
    assert (answer["type"], answer["id"]) == ("ack", "with-a-mark"), answer
