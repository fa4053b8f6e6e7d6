"""Streams over HTTP: they show the room, resume by their last id, and end as sockets do."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from protocol.errors import ErrorCode, RetryableError
from tests.fixtures.servers import Start
from tests.promises.client import PATIENCE, Message
from tests.promises.fold import fold
from tests.promises.http_caller import caller, events_of, state_of
from tests.promises.running import Running
from tests.promises.scenes import gathering


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
    assert state == (await state_of(server, scene.members[0].user, scene.event))


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
