"""No acknowledged command is lost while homes, and the way to them, fail or change."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from handlers.lanes.decide import failed
from protocol.errors import ErrorCode, RetryableError
from server.bus.redis import RedisBus
from tests.parts import RedisServer
from tests.promises.client import Client
from tests.promises.nodes.homes import (
    PATIENCE,
    Shared,
    counts,
    forwards,
    nodes,
    pair,
    shared,
    until,
)
from tests.promises.running import killable, running


async def test_a_lost_letter_costs_a_moment_and_nothing_else(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        for sender, what in ((event.other, "commands"), (event.home, "answers")):
            bus = sender.node.bus
            assert isinstance(bus, RedisBus)
            post, dropped = bus.post, 0

            def lossy(channel: str, writer: Any, post: Any = post) -> None:
                def write() -> Any:
                    nonlocal dropped
                    text = writer()
                    if channel.startswith("node:") and text is not None and not dropped:
                        dropped += 1
                        return None
                    return text

                post(channel, write)

            bus.post = lossy  # type: ignore[method-assign]
            await asyncio.gather(*(event.votes(client, 10) for client in event.here))
            bus.post = post  # type: ignore[method-assign]
            assert dropped, what
        assert counts(event.other).local["lost"] + counts(event.other).local["silent"]
        await event.agree()


@pytest.mark.parametrize("how", ["cut", "frozen", "emptied"])
async def test_redis_that_fails_between_forward_and_answer_loses_no_ack(
    migrated_url: str, redis_server: RedisServer, how: str
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        going = [asyncio.create_task(event.votes(client, 15)) for client in event.here]
        going.append(asyncio.create_task(event.votes(event.scene.members[0], 15)))
        before = counts(event.other).answered
        await until(lambda: counts(event.other).answered > before + 5)
        assert redis_server.process is not None
        if how == "frozen":
            os.kill(redis_server.process.pid, signal.SIGSTOP)
        else:
            redis_server.stop()
            if how == "emptied":
                redis_server.start()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*going)
        if how == "frozen":
            os.kill(redis_server.process.pid, signal.SIGCONT)
        elif how == "cut":
            redis_server.start()
        assert +counts(event.other).local
        await event.agree()
        # It is a home again, once the nodes hear from each other.
        answered = counts(event.other).answered
        async with asyncio.timeout(PATIENCE):
            while counts(event.other).answered == answered:
                await event.votes(event.scene.members[0])
                await event.votes(event.here[0])


async def test_a_home_that_is_cut_off_from_the_database_is_left(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        # Its lanes accept commands, and decide nothing.
        home = event.home.node.lanes
        kept: list[Any] = []
        monkeypatch.setattr(home, "submit", lambda *given: kept.append(given))
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(event.votes(client) for client in event.here))
        assert counts(event.other).local["stuck"] == len(event.here)
        monkeypatch.undo()
        # The commands that it decides at last were decided already.
        before = await event.scene.state()
        for event_id, submission in kept:
            home.submit(event_id, submission)
        await home.drained()
        assert await event.scene.state() == before


async def test_two_nodes_that_both_think_they_are_the_home_lose_nothing(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url, 3) as found:
        event = await shared(found)
        third = await found[2].connect((await event.scene.member()).user)
        # The second node believes that it is the home; the third sends to either in turns.
        own = event.other.node.bus.node
        event.other.node.nodes.home_of = lambda event: own  # type: ignore[method-assign]
        either = iter([event.home.node.bus.node, own] * 1_000)
        found[2].node.nodes.home_of = lambda event: next(either)  # type: ignore[method-assign]

        async def wavering() -> None:
            for _ in range(10):
                found[2].node.nodes.changes += 1
                event.other.node.nodes.changes += 1
                await event.votes(third)

        await asyncio.gather(
            event.votes(event.scene.members[0], 10), event.votes(event.here[1], 10), wavering()
        )
        await event.agree()


async def test_a_node_that_joins_under_load_takes_its_share(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(nodes(migrated_url, redis_server.url))
        events = [await shared(found) for _ in range(6)]
        going = [
            asyncio.create_task(event.votes(client, 15, retried=True))
            for event in events
            for client in (*event.here, event.scene.members[0])
        ]
        newcomer = await stack.enter_async_context(
            running(migrated_url, bus=RedisBus(redis_server.url, "test"), forward="on")
        )
        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.gather(*going)
        await until(lambda: len(newcomer.node.nodes.homes) == 3)
        name = newcomer.node.bus.node
        moved = [e for e in events if found[0].node.nodes.home_of(e.scene.event) == name]
        for event in moved:
            await event.votes(event.here[0])
        assert bool(counts(newcomer).received) >= bool(moved)
        for event in events:
            await event.agree()


async def test_a_draining_home_gives_up_its_events_first(
    migrated_url: str, redis_of_a_kind: str
) -> None:
    async with nodes(migrated_url, redis_of_a_kind, 3) as found:
        event = await shared(found)
        going = [asyncio.create_task(event.votes(client, 30)) for client in event.here]
        third = await found[2].connect((await event.scene.member()).user)
        going.append(asyncio.create_task(event.votes(third, 30)))
        await asyncio.sleep(0)
        draining = asyncio.create_task(event.home.drain())
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*going)
        assert not counts(event.other).local["silent"]
        name = event.home.node.bus.node
        assert event.other.node.nodes.home_of(event.scene.event) != name
        await draining


async def test_a_home_that_ends_after_commit_and_before_its_answer_loses_no_ack(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        # It decides, and none of its messages arrives any more.
        monkeypatch.setattr(event.home.node.bus, "post", lambda channel, writer: None)
        recovered = event.other.node.lanes.counts.recovered
        async with asyncio.timeout(PATIENCE):
            # Each must be acknowledged without a replay.
            await asyncio.gather(*(event.votes(client) for client in event.here))
        assert event.other.node.lanes.counts.recovered > recovered
        assert counts(event.other).local["silent"]
        monkeypatch.undo()
        await event.agree()


async def test_what_a_home_may_yet_decide_is_not_denied(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        monkeypatch.setattr(event.home.node.bus, "post", lambda channel, writer: None)
        busy = RetryableError(ErrorCode.BUSY, retry_after_ms=1)
        monkeypatch.setattr(
            event.other.node.lanes,
            "submit",
            lambda event, submission: submission.respond(failed(submission, busy)),
        )
        answer = await event.here[0].send(
            "vote.cast", event=event.scene.event, proposal=event.proposal, revision=1
        )
        assert (answer["code"], answer["effect"]) == ("commit_unknown", "unknown")
        monkeypatch.undo()


async def test_a_home_that_is_killed_under_load_loses_no_ack(
    migrated_url: str, tmp_path: Path, redis_server: RedisServer
) -> None:
    settings: dict[str, Any] = {"redis_url": redis_server.url, "forward": "on"}
    async with (
        killable(migrated_url, tmp_path / "1", **settings) as one,
        killable(migrated_url, tmp_path / "2", **settings) as other,
    ):
        # The home of each is one of the two by chance: of so many, some are at home at ``other``.
        events = [await pair([other, one]) for _ in range(12)]
        votes = [Shared(None, None, scene, proposal) for scene, proposal, _ in events]  # type: ignore[arg-type]
        there = [
            asyncio.create_task(_until_lost(vote, client))
            for vote, (scene, _, _) in zip(votes, events, strict=True)
            for client in scene.members
        ]
        is_killed = False

        async def voting(vote: Shared, client: Client) -> None:
            while not is_killed:
                await vote.votes(client, retried=True)
            await vote.votes(client, 5, retried=True)

        here = [
            asyncio.create_task(voting(vote, client))
            for vote, (_, _, clients) in zip(votes, events, strict=True)
            for client in clients
        ]

        async def enough() -> None:
            while (await forwards(one))["ayes_forwards_answered_total"] < 20:
                await asyncio.sleep(0.05)

        await asyncio.wait_for(enough(), PATIENCE)
        await other.kill()
        is_killed = True
        await asyncio.gather(*there)
        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.gather(*here)
        for scene, proposal, clients in events:
            room = await clients[0].subscribe(scene.event)
            # Members who were cut off may have left a vote; the others retracted each one.
            assert room.state["proposals"][proposal]["agree"] <= len(scene.members)
        other.clients.clear()
        await one.leave()


async def test_a_rolling_restart_under_load_loses_no_ack(
    migrated_url: str, redis_server: RedisServer
) -> None:
    """Each node drains in turn while another replaces it; clients on the others go on."""
    async with AsyncExitStack() as stack:
        found = await stack.enter_async_context(nodes(migrated_url, redis_server.url, 3))
        event = await shared(found)
        users = [(await event.scene.member()).user for _ in range(3)]
        other = await found[2].connect(users.pop())
        over = False

        async def voting(client: Client) -> int:
            times = 0
            while not over:
                await event.votes(client)
                times += 1
            return times

        going = [asyncio.create_task(voting(other))]
        for each in found[:2]:
            newcomer = await stack.enter_async_context(
                running(migrated_url, bus=RedisBus(redis_server.url, "test"), forward="on")
            )
            joined = await newcomer.connect(users.pop())
            going.append(asyncio.create_task(voting(joined)))
            await each.drain()
        over = True
        assert all(await asyncio.gather(*going))
        room = await other.subscribe(event.scene.event)
        assert room.state["proposals"][event.proposal]["agree"] == 0


async def _until_lost(vote: Shared, client: Client) -> None:
    """Vote until the socket is cut."""
    try:
        await vote.votes(client, 10_000, retried=True)
    except AssertionError:
        raise
    except Exception:
        return
