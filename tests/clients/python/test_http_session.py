"""The requests of a session over HTTP, and their times, before a scripted server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ayes_client import Client, Command
from ayes_client._connection import connector, http_requests, http_session
from ayes_client._connection.http_session import HttpSession
from ayes_client.errors import Unanswered
from tests.clients.python.conftest import SOON
from tests.clients.python.outboxes import nowhere
from tests.clients.python.waiting import eventually, until
from tests.clients.scripted_http import (
    Message,
    Request,
    ScriptedServer,
    acknowledged,
    refused,
    scripted,
)

COMMANDS = "/v1/commands"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted() as found:
        yield found


def over_http(server: ScriptedServer, **options: Any) -> Client:
    given: dict[str, Any] = {"token": "t", "transport": "http", "backoff": SOON, "open_timeout": 10}
    return Client(server.url, **(given | options))


# Waits between two attempts


async def waits_of(client: Client, count: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The first waits of ``client``, by a clock that stands still."""
    monkeypatch.setattr(connector, "time", SimpleNamespace(time=lambda: 0.0))
    waits: list[float] = []

    def note(now: str) -> None:
        if now == "waiting":
            assert client.retry_at is not None
            waits.append(client.retry_at)

    client.on("status", note)
    client.start()
    await until(client, "status", lambda: len(waits) >= count)
    await client.stop()
    return waits[:count]


@pytest.mark.parametrize("transport", [None, "websocket", "http"])
async def test_the_attempts_at_a_closed_port_back_off_over_each_transport(
    transport: connector.Transport | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(nowhere(), "t", transport=transport, backoff=(0.01, 0.04), random=lambda: 0.5)
    assert await waits_of(client, 5, monkeypatch) == [0.005, 0.01, 0.02, 0.02, 0.02]


async def test_the_wait_that_the_server_asks_for_is_kept_over_http(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(_: Request) -> Message:
        return refused("busy", "same", retry_after_ms=30)

    server.on_hello = busy
    assert await waits_of(over_http(server), 3, monkeypatch) == [0.03, 0.03, 0.03]


# Commands: each is sent once, and those of one event go one at a time.


async def test_a_command_is_not_written_again_on_another_connection_behind_the_queues_back(
    server: ScriptedServer,
) -> None:
    """The first attempt may have been decided, so a later ``busy`` does not release the command."""
    tries: list[Request] = []

    async def cut_the_first(request: Request) -> Message | None:
        tries.append(request)
        if len(tries) == 1:
            return None
        return refused("busy", "same", retry_after_ms=60_000)

    server.on_command = cut_the_first
    async with over_http(server) as client:
        giving = asyncio.create_task(client.command("event.pause", {"event": "e"}, id="pause-it"))
        await eventually(lambda: len(tries) == 2)
        # The later query's answer comes after the command's.
        await client.query("events.list")
        assert client.pending[0].tries == 2
        assert not await client.take_back("pause-it")
        giving.cancel()


async def test_a_command_of_once_is_written_once_on_a_fresh_connection(
    server: ScriptedServer,
) -> None:
    async def cut(_: Request) -> None:
        return None

    server.on_command = cut
    async with over_http(server) as client:
        await client.query("events.list")
        with pytest.raises(Unanswered) as caught:
            await client.command("event.finish", {"event": "e"}, once=True)
        assert caught.value.effect == "unknown"
    [written] = server.of(COMMANDS)
    others = {request.connection for request in server.requests if request is not written}
    assert written.connection not in others


async def test_a_query_goes_on_over_another_connection(server: ScriptedServer) -> None:
    async with over_http(server) as client:
        statuses: list[str] = []
        client.on("status", statuses.append)
        server.close()
        assert (await client.query("events.list"))["events"] == []
        assert statuses == []


async def test_one_command_of_an_event_is_under_way_at_a_time(server: ScriptedServer) -> None:
    under_way: Counter[str | None] = Counter()
    most: Counter[str | None] = Counter()
    two_events = asyncio.Event()

    async def slowly(request: Request) -> Message:
        event = request.message.get("event")
        under_way[event] += 1
        most[event] = max(most[event], under_way[event])
        if under_way["e"] and under_way["f"]:
            two_events.set()
        # One event does not wait for another.
        await two_events.wait()
        under_way[event] -= 1
        return await acknowledged(request)

    server.on_command = slowly
    async with over_http(server) as client:
        given = [
            client.send(Command(type="comment.add", event=event, args={"content": f"{number}"}))
            for number in range(8)
            for event in ("e", "f", None)
        ]
        await asyncio.gather(*given)
    assert most == {"e": 1, "f": 1, None: 1}
    for event in ("e", "f", None):
        written = [r.message for r in server.of(COMMANDS) if r.message.get("event") == event]
        assert [message["content"] for message in written] == [f"{number}" for number in range(8)]


# The token


async def test_commands_wait_for_the_new_token(server: ScriptedServer) -> None:
    issued = asyncio.Event()
    asked: list[int] = []

    async def make() -> str:
        asked.append(len(asked))
        if len(asked) > 1:
            await issued.wait()
        return f"token-{len(asked)}"

    async def by_token(request: Request) -> Message:
        if request.token == "token-1":
            return refused("auth_expired", "auth")
        return await acknowledged(request)

    server.on_command = by_token
    async with over_http(server, token=make) as client:
        given = [asyncio.create_task(client.command("event.start", {"event": "e"}))]
        await eventually(lambda: len(asked) == 2)
        for number in range(5):
            more = client.command("event.start", {"event": f"e{number}"})
            given.append(asyncio.create_task(more))
            await client.query("events.list")
        issued.set()
        await asyncio.gather(*given)
    tokens = [request.token for request in server.of(COMMANDS)]
    assert tokens == ["token-1"] + ["token-2"] * 6


# The streams


async def test_a_stream_is_given_up_after_its_servers_heartbeats(server: ScriptedServer) -> None:
    server.heartbeat_ms = 20
    async with over_http(server) as client:
        entering = asyncio.create_task(client.subscribe("e"))
        await eventually(lambda: len(server.of("/v1/events/e/stream")) >= 2)
        entering.cancel()


async def test_a_slow_heartbeat_is_waited_for(server: ScriptedServer) -> None:
    server.heartbeat_ms = 600_000
    async with over_http(server) as client:
        session = client._connector._session
        assert isinstance(session, HttpSession)
        assert session._streams.silence == 1_500.0


async def test_an_answer_that_does_not_come_asks_the_line_and_another_session_brings_it(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WATCH_INTERVAL_S", "ANSWER_CHECK_DELAY_S", "PING_TIMEOUT_S"):
        monkeypatch.setattr(http_session, name, 0.1)

    async def deaf(_: Request) -> Message | None:
        await server.ended.wait()
        return None

    async with over_http(server) as client:
        troubles: list[str | None] = []
        client.on("status", lambda _: troubles.append(client.trouble))
        server.on_command = server.on_ping = deaf
        voting = asyncio.create_task(client.command("event.pause", {"event": "e"}))
        await eventually(lambda: "a ping had no answer" in troubles)
        server.on_command = acknowledged
        assert (await voting).seq == 1


async def test_a_slow_answer_of_a_living_server_is_waited_for(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WATCH_INTERVAL_S", "ANSWER_CHECK_DELAY_S"):
        monkeypatch.setattr(http_session, name, 0.05)
    pings: list[Request] = []
    answer = server.on_ping

    async def pinged(request: Request) -> Any:
        pings.append(request)
        return await answer(request)

    async def slow(request: Request) -> Message:
        await eventually(lambda: len(pings) >= 2)
        return await acknowledged(request)

    server.on_command, server.on_ping = slow, pinged
    async with over_http(server) as client:
        await client.command("event.pause", {"event": "e"})
    assert len(server.of(COMMANDS)) == 1


async def test_after_a_sleep_of_the_machine_the_streams_are_opened_again(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_session, "WATCH_INTERVAL_S", 0.05)
    async with over_http(server) as client:
        entering = asyncio.create_task(client.subscribe("e"))
        await eventually(lambda: len(server.of("/v1/events/e/stream")) == 1)
        later = SimpleNamespace(time=lambda: time.time() + 3_600)
        monkeypatch.setattr(http_session, "time", later)
        await eventually(lambda: len(server.of("/v1/events/e/stream")) == 2)
        entering.cancel()


async def test_a_welcome_that_cannot_be_read_is_tried_again(server: ScriptedServer) -> None:
    async def babble(_: Request) -> Message:
        return {"type": "welcome", "limits": [], "time": 7}

    server.on_hello = babble
    client = over_http(server)
    tries: list[str] = []
    client.on("status", tries.append)
    client.start()
    await until(client, "status", lambda: tries.count("waiting") >= 2 or "stopped" in tries)
    assert client.trouble == "a welcome that this client cannot read"
    await client.stop()


async def test_tokens_that_are_refused_one_after_another_are_asked_for_with_waits(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr(
        http_requests, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": _noting(waits)})
    )
    asked: list[int] = []

    def make() -> str:
        asked.append(len(asked))
        return f"token-{len(asked)}"

    async def never(request: Request) -> Message:
        if request.token == "token-6":
            return await acknowledged(request)
        return refused("auth_expired", "auth")

    server.on_command = never
    async with over_http(server, token=make, backoff=(0.2, 30), random=lambda: 1.0) as client:
        await client.command("event.start", {"event": "e"})
    # The first attempt has no wait.
    assert waits == [0.4, 0.8, 1.6, 3.2]


def _noting(waits: list[float]) -> Callable[[float], Awaitable[None]]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    return sleep
