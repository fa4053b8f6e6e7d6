"""The same promises over HTTP: handlers, journal, ids and answers; streams that resume."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from protocol.errors import ErrorCode, RetryableError
from tests.fixtures.servers import Start
from tests.promises.client import PATIENCE, Message
from tests.promises.fold import fold
from tests.promises.running import Running, token
from tests.promises.scenes import fresh, gathering


def caller(server: Running, user: str | None, **headers: str) -> httpx.AsyncClient:
    """An HTTP client of ``user``."""
    given = {"authorization": f"Bearer {token(user)}"} if user else {}
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}/v1",
        headers=given | headers,
        timeout=PATIENCE,
        trust_env=False,
    )


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


async def events_of(response: httpx.Response) -> AsyncIterator[tuple[str, Message]]:
    """(id, message) of each Server-Sent Event."""
    id_ = ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(": ")
        if field == "id":
            id_ = value
        elif field == "data":
            yield id_, json.loads(value)


async def test_a_stream_is_the_room_and_resumes_by_its_last_id(server: Running) -> None:
    scene = await gathering(server, 1)
    url = f"/events/{scene.event}/stream"
    state: Message = {}
    last = ""
    async with caller(server, scene.members[0].user) as http:
        async with http.stream("GET", url) as response, asyncio.timeout(PATIENCE):
            assert response.headers["content-type"].startswith("text/event-stream")
            sent = None
            async for last, message in events_of(response):  # noqa: B007 - the last one counts
                if message["type"] == "snapshot":
                    state = message["state"]
                    sent = await scene.admin.ack("event.pause", event=scene.event)
                elif message["type"] == "diff":
                    state = fold(state, message["patch"])
                    assert sent is not None
                    if message["seq"] >= sent["seq"]:
                        break
        assert state["event"]["status"] == "paused"
        ack = await scene.admin.ack("event.resume", event=scene.event)
        headers = {"last-event-id": last}
        async with http.stream("GET", url, headers=headers) as response:
            async for id_, message in events_of(response):
                assert message["type"] == "resumed"
                assert id_.endswith(f":{ack['seq']}")
                state = fold(state, message["patch"])
                break
    assert state == (await _as_member(server, scene.members[0].user, scene.event))


async def test_a_user_has_as_many_streams_as_sockets_and_no_more(start: Start) -> None:
    server = await start(connections_per_user=2)
    scene = await gathering(server, 1)
    url = f"/events/{scene.event}/stream"

    async def refused(http: httpx.AsyncClient) -> bool:
        async with http.stream("GET", url) as response:
            if response.status_code == 200:
                return False
            answer = json.loads(await response.aread())
        assert (response.status_code, answer["code"], answer["retry"]) == (429, "busy", "same")
        assert answer["retry_after_ms"] > 0
        return True

    async with caller(server, scene.members[0].user) as http, asyncio.timeout(PATIENCE):
        async with http.stream("GET", url), http.stream("GET", url):
            assert await refused(http)
            async with caller(server, scene.admin.user) as other:
                assert not await refused(other)
        # Streams that ended make room again, as soon as the server has noticed.
        while await refused(http):
            await asyncio.sleep(0.05)


async def test_a_stream_takes_the_place_of_a_socket(start: Start) -> None:
    server = await start(connections=2)
    made = {"type": "event.create", "id": "streamed-1", "subject": "Full"}
    async with caller(server, "streamer") as http, asyncio.timeout(PATIENCE):
        event = (await http.post("/commands", json=made)).json()["event"]
        async with http.stream("GET", f"/events/{event}/stream") as response:
            assert response.status_code == 200
            await server.connect("last-one-in")
            refused = await server.open()
            assert await refused.gone() == 4429


async def test_a_stream_ends_when_its_reader_is_removed(server: Running) -> None:
    scene = await gathering(server, 1)
    user = scene.members[0].user
    url = f"/events/{scene.event}/stream"
    kinds = []
    async with caller(server, user) as http, http.stream("GET", url) as response:
        async with asyncio.timeout(PATIENCE):
            async for _, message in events_of(response):
                kinds.append(message["type"])
                if message["type"] == "snapshot":
                    await scene.do("membership.remove", user=user)
    assert kinds[0] == "snapshot"
    assert kinds[-1] == "unsubscribed"


async def test_a_reader_promoted_and_removed_at_once_is_told_removed(server: Running) -> None:
    scene = await gathering(server, 1)
    user = scene.members[0].user
    promotion = {"type": "membership.set_role", "id": "at-once-01", "user": user, "role": "admin"}
    removal = {"type": "membership.remove", "id": "at-once-02", "user": user}
    told = []
    async with (
        caller(server, user) as http,
        http.stream("GET", f"/events/{scene.event}/stream") as response,
        asyncio.timeout(PATIENCE),
    ):
        async for _, message in events_of(response):
            told.append(message)
            if len(told) == 1:
                both = [command | {"event": scene.event} for command in (promotion, removal)]
                acks = [scene.admin.expect(command["id"]) for command in both]
                await scene.admin.say(both)
                assert all([(await scene.admin.answered(ack))["applied"] for ack in acks])
    assert (told[-1]["type"], told[-1]["reason"]) == ("unsubscribed", "removed")


async def test_a_stream_ends_where_the_database_is_away_when_its_reader_s_role_changes(
    server: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene = await gathering(server, 1)
    user = scene.members[0].user

    async def away(*_: Any) -> Any:
        raise RetryableError(ErrorCode.OVERLOADED)

    kinds = []
    async with (
        caller(server, user) as http,
        http.stream("GET", f"/events/{scene.event}/stream") as response,
        asyncio.timeout(PATIENCE),
    ):
        async for _, message in events_of(response):
            kinds.append(message["type"])
            if len(kinds) == 1:
                monkeypatch.setattr(server.node.rooms, "load_own", away)
                await scene.do("membership.set_role", user=user, role="admin")
    assert "unsubscribed" not in kinds
    assert not [record for record in caplog.records if record.exc_info]


async def test_the_head_of_a_stream_is_a_whole_answer(server: Running) -> None:
    scene = await gathering(server, 1)
    url = f"/events/{scene.event}/stream"
    async with caller(server, scene.members[0].user) as http, asyncio.timeout(PATIENCE):
        head = await http.head(url)
        assert head.headers["content-type"].startswith("text/event-stream")
        # Over the same connection, which is not blocked.
        assert (await http.get("/events")).status_code == 200
    async with caller(server, "no-part-in-it") as http:
        assert (await http.head(url)).status_code == 404


async def _as_member(server: Running, user: str, event: str) -> Message:
    client = await server.connect(user)
    return (await client.subscribe(event)).state


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


async def test_streams_of_a_server_that_goes_away_say_when_to_come_back(start: Start) -> None:
    # It takes a moment, but cuts off what is not away at the end of that time.
    server = await start(drain_seconds=60)
    scene = await gathering(server)
    waits = []

    async def read(http: httpx.AsyncClient) -> None:
        async with http.stream("GET", f"/events/{scene.event}/stream") as response:
            assert response.status_code == 200
            lines = [line async for line in response.aiter_lines()]
        # Its own event, and the last record there is.
        assert lines[-2].startswith("retry: ")
        assert lines[-1] == ""
        waits.append(int(lines[-2].removeprefix("retry: ")))

    async with caller(server, scene.admin.user) as http, asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(read(http))
        while len(server.node.streams) < 8:
            await asyncio.sleep(0)
        group.create_task(server.node.drain())
    assert all(wait > 0 for wait in waits)
    assert len(set(waits)) > 4
