"""The same promises over HTTP: handlers, journal, ids and answers; streams that resume."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.fixtures.servers import Start
from tests.promises.client import Message
from tests.promises.http_caller import caller
from tests.promises.running import Running, token
from tests.promises.scenes import fresh, gathering


async def test_a_command_over_http_is_the_command_over_the_socket(server: Running) -> None:
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    command: dict[str, Any] = {
        "type": "vote.cast",
        "id": "vote-over-both",
        "event": scene.event,
        "proposal": proposal,
        "revision": 1,
    }
    member = scene.members[0]
    async with caller(server, member.user) as http:
        posted = await http.post("/commands", json=command)
    assert posted.status_code == 200
    again = await member.send(**command)
    assert again == posted.json() | {"replayed": True}


async def test_the_idempotency_key_header_stands_in_for_the_id(server: Running) -> None:
    body = {"type": "event.create", "subject": "By header"}
    async with caller(server, "header-user", **{"idempotency-key": "key-12345"}) as http:
        first = await http.post("/commands", json=body)
        second = await http.post("/commands", json=body)
    assert first.json()["id"] == "key-12345"
    assert second.json() == first.json() | {"replayed": True}


async def test_a_quoted_idempotency_key_is_the_bare_one(server: Running) -> None:
    body = {"type": "event.create", "subject": "By header"}
    async with caller(server, "quoting-user", **{"idempotency-key": '"key-12345"'}) as http:
        first = await http.post("/commands", json=body)
    async with caller(server, "quoting-user", **{"idempotency-key": "key-12345"}) as http:
        second = await http.post("/commands", json=body)
    assert first.json()["id"] == "key-12345"
    assert second.json() == first.json() | {"replayed": True}


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_a_request_for_the_socket_without_an_upgrade_is_told_what_it_lacks(
    server: Running, accept: str
) -> None:
    async with httpx.AsyncClient(base_url=server.base, trust_env=False) as http:
        for _ in range(2):
            answer = await http.get("/v1/socket", headers={"accept": accept})
            assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
            body = answer.json()
            assert (body["type"], body["code"]) == ("error", "bad_request")
            assert body["details"] == {"path": "upgrade"}
        # Anything else that is not there stays not found.
        other = await http.get("/v1/sockets", headers={"accept": "*/*"})
        assert other.status_code == 404


#: Fault → (body, status, code).
WRONG: dict[str, tuple[Any, int, str]] = {
    "no JSON": ("{", 400, "bad_frame"),
    "an array": ([], 400, "bad_frame"),
    "no id": ({"type": "event.create", "subject": "s"}, 400, "bad_request"),
    "no such type": ({"type": "event.destroy", "id": "12345678"}, 400, "unknown_type"),
    "no command": ({"type": "ping"}, 400, "unknown_type"),
    "no such event": (
        {"type": "vote.cast", "id": "12345678", "event": "e", "proposal": "p", "revision": 1},
        404,
        "not_found",
    ),
    "too large": (
        {"type": "event.create", "id": "12345678", "subject": "x" * 70_000},
        413,
        "too_large",
    ),
}


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_has_its_status_and_the_sockets_body(
    server: Running, what: str
) -> None:
    body, status, code = WRONG[what]
    content = body if isinstance(body, str) else json.dumps(body)
    async with caller(server, "wrong-user") as http:
        answer = await http.post("/commands", content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["type"] == "error"
    if status != 413:  # a body that is too large is not read
        assert answer.json().get("id") == (body.get("id") if isinstance(body, dict) else None)


async def test_what_is_wrong_with_a_command_is_told_under_its_id_as_on_the_socket(
    server: Running,
) -> None:
    command = {"type": "vote.cast", "id": "wrong-1234", "event": "e", "proposal": 5, "revision": 1}
    client = await server.connect("wrong-user")
    future = client.expect("wrong-1234")
    await client.say(command)
    async with caller(server, "wrong-user") as http:
        posted = await http.post("/commands", json=command)
    assert posted.json() == await client.answered(future)


async def test_a_body_however_deep_goes_under_the_idempotency_key(server: Running) -> None:
    deep = '{"type":"event.create","subject":"Deep","more":' + "[" * 400 + "]" * 400 + "}"
    async with caller(server, "deep-user", **{"idempotency-key": "key-deep-1"}) as http:
        answer = await http.post("/commands", content=deep)
    assert (answer.status_code, answer.json()["id"]) == (200, "key-deep-1")


async def test_what_the_lane_puts_off_says_when_to_come_back(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server)
    monkeypatch.setattr("handlers.lanes.lanes.MAX_LANE_COMMANDS", 0)
    command = {"type": "event.pause", "id": "put-off-1", "event": scene.event}
    async with caller(server, scene.admin.user) as http:
        answer = await http.post("/commands", json=command)
    assert (answer.status_code, answer.json()["code"]) == (429, "busy")
    assert int(answer.headers["retry-after"]) >= 1


async def test_refusals_have_their_statuses(server: Running) -> None:
    scene = await gathering(server, 1)
    member = scene.members[0].user
    command = {"type": "event.pause", "id": "pause-1234", "event": scene.event}
    async with caller(server, member) as http:
        forbidden = await http.post("/commands", json=command)
        conflict = await http.post("/commands", json=command | {"type": "event.finish"})
        closed = await http.get(f"/events/{scene.event}/journal")
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "forbidden")
    assert (conflict.status_code, conflict.json()["code"]) == (422, "id_conflict")
    assert closed.status_code == 403
    async with caller(server, scene.admin.user) as http:
        start = command | {"type": "event.resume", "id": "resume-123"}
        assert (await http.post("/commands", json=start)).json()["applied"] is False
        not_now = command | {"type": "option.add", "content": "o", "id": "option-123"}
        assert (await http.post("/commands", json=not_now)).status_code == 409


async def test_without_a_good_token_nothing_is_told(server: Running) -> None:
    async with caller(server, None) as http:
        for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic x"}):
            answer = await http.get("/events", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
            assert answer.headers["www-authenticate"] == "Bearer"
        old = {"authorization": f"Bearer {token('late', seconds=-10)}"}
        answer = await http.get("/events", headers=old)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth_expired")


async def test_too_fast_is_429_and_says_when(start: Start) -> None:
    server = await start(commands_per_second=1, commands_burst=3)
    async with caller(server, "hasty") as http:
        answers = [await http.get("/events") for _ in range(5)]
    assert answers[-1].status_code == 429
    assert answers[-1].json()["retry_after_ms"] > 0
    assert int(answers[-1].headers["retry-after"]) >= 1


async def test_the_snapshot_is_the_sockets(server: Running) -> None:
    scene = await gathering(server, 2, options=["a"])
    room = await scene.members[0].subscribe(scene.event)
    async with caller(server, scene.members[0].user) as http:
        answer = (await http.get(f"/events/{scene.event}")).json()
    assert (answer["state"], answer["you"], answer["seq"]) == (room.state, room.you, room.seq)
    async with caller(server, "no-part-in-it") as http:
        assert (await http.get(f"/events/{scene.event}")).status_code == 404


async def test_lists_journal_and_status(server: Running) -> None:
    scene = await gathering(server, 2)
    command = (await scene.admin.ack("event.rotate_code", event=scene.event))["id"]
    async with caller(server, scene.admin.user) as http:
        events = (await http.get("/events", params={"limit": 1})).json()
        assert [event["id"] for event in events["events"]] == [scene.event]
        members = (await http.get(f"/events/{scene.event}/members", params={"limit": 2})).json()
        assert len(members["members"]) == 2
        rest = await http.get(f"/events/{scene.event}/members", params={"before": members["next"]})
        assert [member["role"] for member in rest.json()["members"]] == ["admin"]
        status = (await http.get(f"/events/{scene.event}/commands/{command}")).json()
        assert status["commands"][0]["state"] == "committed"
        page = (await http.get(f"/events/{scene.event}/journal", params={"limit": 2})).json()
        assert [line["seq"] for line in page["lines"]] == [1, 2]
        after = {"after": page["next"], "limit": 100}
        rest = await http.get(f"/events/{scene.event}/journal", params=after)
        assert rest.json()["lines"][0]["prev_hash"] == page["lines"][-1]["hash"]
        wrong = await http.get(f"/events/{scene.event}/journal", params={"limit": "many"})
        assert wrong.json()["details"]["path"] == "limit"


async def test_a_page_s_next_may_stand_in_a_query_as_it_is(server: Running) -> None:
    async with caller(server, fresh("pager")) as http:
        for number in (1, 2):
            made = {"type": "event.create", "id": f"paged-{number:04}", "subject": f"{number}"}
            assert (await http.post("/commands", json=made)).status_code == 200
        first = (await http.get("/events?limit=1")).json()
        rest = (await http.get(f"/events?limit=1&after={first['next']}")).json()
    assert [page["events"][0]["subject"] for page in (first, rest)] == ["2", "1"]
    assert "next" not in rest


QUERIES: list[Message] = [
    {"type": "ping"},
    {"type": "events.list", "limit": 2},
    {"type": "event.overview", "code": "$code"},
    {"type": "event.preview_policy", "event": "$event", "policy": {"membership_auto": True}},
    {"type": "command.status", "event": "$event", "ids": ["never-sent-1"]},
    {"type": "comments.list", "event": "$event"},
    {"type": "proposals.list", "event": "$event"},
    {"type": "members.list", "event": "$event"},
    {"type": "requests.list", "event": "$event"},
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query["type"])
async def test_a_query_over_http_is_answered_as_on_the_socket(
    server: Running, query: Message
) -> None:
    scene = await gathering(server, 1)
    state = (await scene.admin.subscribe(scene.event)).state
    names = {"$event": scene.event, "$code": state["event"]["entrance_code"]}
    asked: dict[str, Any] = {k: names.get(str(value), value) for k, value in query.items()}
    over_socket = await scene.admin.ask(**asked)
    async with caller(server, scene.admin.user) as http:
        posted = await http.post("/queries", json=asked | {"ref": "q1"})
    assert posted.status_code == 200, posted.text
    over_http = posted.json()
    assert over_http["ref"] == "q1"
    volatile = {"ref", "time"}
    assert {k: v for k, v in over_http.items() if k not in volatile} == {
        k: v for k, v in over_socket.items() if k not in volatile
    }


async def test_a_hello_over_http_is_welcomed_as_on_the_socket(server: Running) -> None:
    member = await server.connect("ada")
    async with caller(server, "ada") as http:
        posted = await http.post("/queries", json={"type": "hello", "ref": 7})
    over_http = posted.json()
    assert set(over_http) == set(member.welcome)
    for name in ("user", "heartbeat_ms", "limits", "server"):
        assert over_http[name] == member.welcome[name]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "vote.cast", "id": "not-a-query"}, "bad_request"),
        ({"type": "event.start", "id": "not-a-query", "event": "e" * 8}, "unknown_type"),
        ({"type": "subscribe", "event": "e"}, "unknown_type"),
        ({"type": "auth", "token": "t"}, "unknown_type"),
        ({"type": "of.tomorrow"}, "unknown_type"),
        ([], "bad_frame"),
        ({"type": "events.list", "limit": "many"}, "bad_request"),
    ],
    ids=str,
)
async def test_what_is_no_query_is_refused(server: Running, body: Any, code: str) -> None:
    async with caller(server, "ada") as http:
        posted = await http.post("/queries", json=body)
        assert (posted.status_code, posted.json()["code"]) == (400, code)
    async with caller(server, None) as http:
        assert (await http.post("/queries", json={"type": "ping"})).status_code == 401
