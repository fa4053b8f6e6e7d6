"""The cost of a query is paid by its user; memberships are checked before the work."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from handlers.rules import preview
from persistence.database.statements import Statement
from persistence.event import loading
from persistence.queries import due, event_reads, revocations
from server.limits import quotas
from server.limits.work_throttle import WorkThrottle
from server.rooms import catch_up, registry
from tests.fixtures.servers import Start
from tests.promises.client import Client, Message
from tests.promises.running import Running, token
from tests.promises.scenes import Scene, gathering

#: Queries about an event, over a socket and over HTTP.
ASKED: list[Message] = [
    {"type": "subscribe"},
    {"type": "subscribe", "epoch": "x", "seq": 1},
    {"type": "event.preview_policy", "policy": {}},
    {"type": "comments.list", "limit": 200},
    {"type": "proposals.list"},
    {"type": "members.list"},
    {"type": "command.status", "ids": ["command-1"]},
]
FETCHED = ["", "/stream", "/comments?limit=200", "/proposals", "/members", "/journal?limit=200"]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that reads, except for the server's own periodic ones."""
    found: list[str] = []
    periodic = {
        value.sql
        for module in (due, revocations)
        for value in vars(module).values()
        if isinstance(value, Statement)
    } | {event_reads._TOPS.sql}
    for name in ("rows", "row"):
        read = getattr(Statement, name)

        def counted(read: Callable[..., Any]) -> Callable[..., Any]:
            async def run(statement: Statement, connection: Any, **values: Any) -> Any:
                if statement.sql not in periodic:
                    found.append(statement.sql)
                return await read(statement, connection, **values)

            return run

        monkeypatch.setattr(Statement, name, counted(read))
    return found


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The events of which a room, or an outline, was read."""
    found: list[str] = []
    for module, name in ((loading, "load_room"), (preview, "load_outline")):
        load = getattr(module, name)

        def counted(load: Callable[..., Any]) -> Callable[..., Any]:
            async def run(connection: Any, event_id: str) -> Any:
                found.append(event_id)
                return await load(connection, event_id)

            return run

        monkeypatch.setattr(module, name, counted(load))
    return found


async def fetched(server: Running, user: str, path: str) -> httpx.Response:
    """A GET by ``user``."""
    async with httpx.AsyncClient(base_url=server.base) as web:
        headers = {"authorization": f"Bearer {token(user)}"}
        return await web.get(f"/v1/events/{path}", headers=headers, timeout=20)


async def asked_of(client: Client, event: str) -> list[Message]:
    """Ask every query about ``event``; return the answers, without the queries' refs."""
    answers = []
    for question in ASKED:
        answer = await client.request(question | {"event": event})
        answers.append({k: v for k, v in answer.items() if k not in ("ref", "event")})
    return answers


async def test_to_a_stranger_an_event_that_exists_costs_and_says_what_none_does(
    server: Running, statements: list[str], loads: list[str]
) -> None:
    scene = await gathering(server, 1)
    await scene.propose()
    stranger = await scene.newcomer()
    seen, answers = [], []
    for event in (scene.event, str(uuid.uuid4())):
        statements.clear()
        answers.append(await asked_of(stranger, event))
        for path in FETCHED:
            response = await fetched(server, stranger.user, event + path)
            assert response.status_code == 404, path
        seen.append(list(statements))
    assert seen[0] == seen[1]
    assert answers[0] == answers[1]
    assert not loads


async def test_nobody_who_was_not_let_in_has_anything_loaded(
    server: Running, loads: list[str]
) -> None:
    scene = await gathering(server, 2, joins=False)
    gone, removed = scene.members
    await gone.ack("membership.leave", event=scene.event)
    await scene.do("membership.remove", user=removed.user)
    for client in (gone, removed):
        answers = await asked_of(client, scene.event)
        assert {answer.get("code") for answer in answers} == {"not_a_member", None}
        for path in FETCHED:
            assert (await fetched(server, client.user, scene.event + path)).status_code == 403
    assert not loads


async def test_a_room_is_kept_for_who_comes_back(server: Running, loads: list[str]) -> None:
    scene = await gathering(server, 1)
    (member,) = scene.members
    for _ in range(3):
        await member.subscribe(scene.event)
        await member.ask("unsubscribe", event=scene.event)
        assert (await fetched(server, member.user, scene.event)).status_code == 200
    assert loads == [scene.event]
    assert server.node.rooms.count() == 0
    # The client was sent the steps since.
    proposal = await scene.propose()
    assert proposal in (await member.subscribe(scene.event)).state["proposals"]
    assert loads == [scene.event]


async def test_a_room_that_nobody_comes_back_to_is_forgotten(
    server: Running, loads: list[str]
) -> None:
    scene = await gathering(server)
    await scene.admin.subscribe(scene.event)
    server.node.rooms._drop_unused(math.inf)
    assert server.node.rooms.count() == 1
    await scene.admin.ask("unsubscribe", event=scene.event)
    server.node.rooms._drop_unused(math.inf)
    await scene.admin.subscribe(scene.event)
    assert loads == [scene.event] * 2


async def test_rooms_that_are_kept_are_bounded(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "MAX_UNUSED_ROOMS", 2)
    for _ in range(4):
        scene = await gathering(server)
        await scene.admin.subscribe(scene.event)
        await scene.admin.ask("unsubscribe", event=scene.event)
    kept = server.node.rooms
    assert len(kept.by_event) == 2
    monkeypatch.setattr(registry, "MAX_UNUSED_ROOM_BYTES", 1)
    await scene.admin.subscribe(scene.event)
    await scene.admin.ask("unsubscribe", event=scene.event)
    assert not kept.by_event


async def test_a_preview_is_made_once_for_a_policy_until_the_event_moves(
    server: Running, loads: list[str]
) -> None:
    scene = await gathering(server, 1)
    proposal = await scene.propose()
    await scene.vote(scene.admin, proposal)
    policy = {"assumption": {"auto": True, "rule": "count", "threshold": 1}}
    question: Message = {"type": "event.preview_policy", "event": scene.event, "policy": policy}
    for client in (*scene.everyone, *scene.everyone):
        answer = await client.request(question)
        assert answer["would_accept"] == [proposal]
    assert loads == [scene.event]
    await scene.do("proposal.reject", proposal=proposal)
    assert (await scene.admin.request(question))["would_accept"] == []
    assert loads == [scene.event] * 2
    strict = {"assumption": {"auto": True, "rule": "count", "threshold": 2}}
    await scene.admin.request(question | {"policy": strict})
    assert loads == [scene.event] * 3


async def test_a_preview_takes_what_was_resolved_long_ago_for_granted(start: Start) -> None:
    """Otherwise it would load one proposal after another that leaves the room's window."""
    scene = await gathering(await start(resolved_shown=2))
    for _ in range(3):
        await scene.do("proposal.reject", proposal=await scene.propose())
    pending = [await scene.propose() for _ in range(5)]
    for proposal in pending:
        await scene.vote(scene.admin, proposal)
    policy = {"assumption": {"auto": True, "rule": "count", "threshold": 1}}
    answer = await scene.admin.ask("event.preview_policy", event=scene.event, policy=policy)
    assert answer["would_accept"] == pending


async def heavy_ones(scene: Scene, asker: Client) -> list[Any]:
    """Queries that are answered one at a time, over the socket and over HTTP."""
    at = {"event": scene.event}
    server = scene.server
    assert isinstance(server, Running)
    path = f"{scene.event}/comments?limit=200"
    return [
        asker.request({"type": "event.preview_policy", "policy": {"quorum_percent": 7}, **at}),
        asker.request({"type": "comments.list", "limit": 200, **at}),
        asker.request({"type": "command.status", "ids": [f"status-{n}" for n in range(200)], **at}),
        fetched(server, asker.user, path),
        fetched(server, scene.admin.user, f"{scene.event}/journal?limit=200"),
    ]


async def test_heavy_questions_are_answered_one_at_a_time(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = await gathering(server, 3)
    run = WorkThrottle.run
    at_once, most, seen = 0, 0, 0

    async def watched(work_throttle: WorkThrottle, work: Callable[[], Any], *charge: Any) -> Any:
        async def piece() -> Any:
            nonlocal at_once, most, seen
            seen += 1
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.01)
            try:
                return await work()
            finally:
                at_once -= 1

        return await run(work_throttle, piece, *charge)

    monkeypatch.setattr(WorkThrottle, "run", watched)
    asked = [await heavy_ones(scene, member) for member in scene.members]
    await asyncio.gather(*(question for questions in asked for question in questions))
    # One preview serves all who ask for the same policy.
    assert seen >= 4 * len(scene.members) + 1
    assert most == 1


async def test_a_large_room_is_loaded_in_turn_and_a_small_one_at_once(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[Any] = []
    run = WorkThrottle.run

    async def watched(work_throttle: WorkThrottle, work: Callable[[], Any], *charge: Any) -> Any:
        turns.append(work)
        return await run(work_throttle, work, *charge)

    monkeypatch.setattr(WorkThrottle, "run", watched)
    scene = await gathering(server)
    await scene.admin.subscribe(scene.event)
    assert turns == []
    await scene.admin.ask("unsubscribe", event=scene.event)
    server.node.rooms._drop_unused(math.inf)
    monkeypatch.setattr(registry, "MAX_LIGHT_ROOM_RECORDS", 0)
    monkeypatch.setattr(catch_up, "MAX_LIGHT_ROOM_RECORDS", 0)
    await scene.admin.subscribe(scene.event)
    # The event is read, and then its snapshot made.
    assert len(turns) == 2


async def test_one_who_asks_too_much_waits_everywhere_and_nobody_else_does(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share is per user: over all sockets, and over HTTP."""
    monkeypatch.setattr(quotas, "QUERY_WAIT_TIMEOUT_S", 0.2)
    scene = await gathering(server, 2)
    greedy, other = scene.members
    second = await server.connect(greedy.user)
    server.node.quotas.charge(greedy.user, 100.0)
    for client in (greedy, second):
        answer = await client.request({"type": "events.list"})
        assert (answer["code"], answer["retry"], answer["effect"]) == ("busy", "same", "none")
        assert answer["retry_after_ms"] > 200
    response = await fetched(server, greedy.user, scene.event)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0
    assert (await greedy.request({"type": "subscribe", "event": scene.event}))["code"] == "busy"
    # Votes are not queries.
    await scene.vote(greedy, await scene.propose())
    await other.ask("events.list")
    await other.subscribe(scene.event)


async def test_a_page_that_opens_everything_it_may_never_waits(start: Start) -> None:
    """Resume as many rooms as a socket may have, at once, and ask for each kind of list."""
    server = await start()
    scene = await gathering(server, 1)
    events = [scene.event]
    for _ in range(server.node.settings.subscriptions - 1):
        made = await scene.admin.result("event.create", subject="One of many")
        events.append(made["event"])
    page = await server.connect(scene.admin.user, resume=[{"event": event} for event in events])
    await page.until(lambda: len(page.of("snapshot")) == len(events), "all rooms")
    for kind in ("comments.list", "proposals.list", "members.list"):
        await page.ask(kind, event=scene.event)
    await page.ask("event.preview_policy", event=scene.event, policy={})
    account = server.node.quotas._account(scene.admin.user)
    assert account.bucket.has(server.node.quotas._clock(), quotas.SCARCE_MS)
    assert not page.of("error")


async def test_a_socket_that_is_gone_asks_nothing_any_more(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query that waits for its share is dropped with its socket."""
    scene = await gathering(server, 1)
    (member,) = scene.members
    asked: list[Any] = []
    would_accept = preview.would_accept

    async def counted(*given: Any) -> Any:
        asked.append(given)
        return await would_accept(*given)

    monkeypatch.setattr(preview, "would_accept", counted)
    server.node.quotas.charge(member.user, 100.0)
    account = server.node.quotas._account(member.user)
    await member.say({"type": "event.preview_policy", "event": scene.event, "policy": {}})
    while not account.waiting:
        await asyncio.sleep(0.01)
    await member.leave()
    while account.waiting:
        await asyncio.sleep(0.01)
    assert not asked
