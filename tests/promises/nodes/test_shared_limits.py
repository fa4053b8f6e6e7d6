"""The limits of one user hold over all nodes, so that many nodes give no more."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from redis.asyncio import Redis

from server.bus.port import MAX_FINGERPRINTS
from server.limits.quotas import BURST_MS
from server.rooms import presence
from server.totals.shared_usage import USAGE_INTERVAL_S, USAGE_TTL_S
from tests.parts import RedisServer
from tests.promises.client import Client
from tests.promises.http_caller import caller
from tests.promises.nodes.homes import PATIENCE, nodes, until
from tests.promises.running import Running, token
from tests.promises.scenes import fresh, gathering

LIMIT = 6


async def outcome(server: Running, user: str) -> int:
    """A further socket: 0 if it is welcome, else its close code."""
    client = await server.open(user)
    await client.say({"type": "hello", "token": token(user)})
    async with asyncio.timeout(PATIENCE):
        while not client.of("welcome") and client.socket.close_code is None:
            await asyncio.sleep(0.01)
    return 0 if client.of("welcome") else await client.gone()


def known(server: Running, user: str) -> int:
    """The user's sockets at the other nodes, as this one has heard."""
    return server.node.shared_usage.elsewhere(user).sockets


async def filled(one: Running, other: Running, user: str, count: int = LIMIT) -> list[Client]:
    """Sockets of ``user`` at one node, of which the other has heard."""
    clients = [await one.connect(user) for _ in range(count)]
    await until(lambda: known(other, user) == count)
    return clients


async def test_a_user_with_all_sockets_at_one_node_gets_none_at_another(
    migrated_url: str, redis_of_a_kind: str
) -> None:
    async with nodes(migrated_url, redis_of_a_kind, connections_per_user=LIMIT) as (one, other):
        user = fresh("many")
        clients = await filled(one, other, user)
        assert await outcome(other, user) == 4504
        assert await outcome(one, user) == 4504
        assert await outcome(other, fresh("another")) == 0
        # One that ended makes room at the other node with its next report.
        await clients[0].leave()
        assert await outcome(other, user) == 0


async def test_who_moves_to_another_node_finds_room_there(
    migrated_url: str, redis_server: RedisServer
) -> None:
    """As all clients of a node do that drains or dies: 4504 would stop them for good."""
    async with nodes(migrated_url, redis_server.url, connections_per_user=LIMIT) as (one, other):
        user = fresh("mover")
        clients = await filled(one, other, user)
        await asyncio.gather(*(client.leave() for client in clients))
        assert await asyncio.gather(*(outcome(other, user) for _ in range(LIMIT))) == [0] * LIMIT
        await until(lambda: known(one, user) == LIMIT)
        # The node dies with the sockets: none of its letters comes any more.
        other.node.bus.post = lambda channel, writer: None  # type: ignore[method-assign]
        began = time.monotonic()
        assert await asyncio.gather(*(outcome(one, user) for _ in range(LIMIT))) == [0] * LIMIT
        assert time.monotonic() - began < USAGE_TTL_S + USAGE_INTERVAL_S + PATIENCE


async def test_sockets_that_come_at_all_nodes_at_once_are_closed_again(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url, 3, connections_per_user=LIMIT) as found:
        user = fresh("crowd")
        await asyncio.gather(*(one.connect(user) for one in found for _ in range(LIMIT)))

        def opened() -> list[int]:
            return [len(one.node.connections.of(user)) for one in found]

        # Each node but one keeps one at most beyond the limit, and none closes all.
        await until(lambda: sum(opened()) <= LIMIT + len(found) - 1)
        assert min(opened()) >= 1
        assert sum(opened()) >= LIMIT
        closed = [c.close_code for one in found for c in one.clients if c.socket.close_code]
        assert set(closed) == {4504}


async def test_streams_are_counted_over_all_nodes(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url, connections_per_user=2) as (one, other):
        scene = await gathering(one, 1)
        user, url = scene.members[0].user, f"/events/{scene.event}/stream"
        async with caller(one, user) as http, caller(other, user) as there:
            async with http.stream("GET", url), http.stream("GET", url):
                await until(lambda: other.node.shared_usage.elsewhere(user).streams == 2)
                answer = await there.get(url)
                assert (answer.status_code, answer.json()["code"]) == (429, "busy")
            await until(lambda: not other.node.shared_usage.elsewhere(user).streams)
            async with there.stream("GET", url) as response:
                assert response.status_code == 200


async def test_without_redis_each_node_counts_its_own_and_nothing_was_stored_there(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url, connections_per_user=LIMIT) as (one, other):
        user = fresh("cut-off")
        await filled(one, other, user)
        async with Redis.from_url(redis_server.url) as redis:
            assert await redis.dbsize() == 0
        redis_server.stop()
        assert await outcome(other, user) == 0
        assert await outcome(one, user) == 4504
        redis_server.start()
        await until(lambda: known(other, user) == LIMIT)


async def test_questions_at_two_nodes_have_one_budget(
    migrated_url: str, redis_server: RedisServer
) -> None:
    async with nodes(migrated_url, redis_server.url) as (one, other):
        user = fresh("asker")
        here, there = [await one.connect(user) for _ in range(4)], await other.connect(user)
        await until(lambda: one.node.shared_usage._is_shared)

        async def asks(client: Client) -> None:
            while not one.node.quotas.waited:
                await client.ask("events.list")

        async with asyncio.timeout(2 * PATIENCE):
            await asyncio.gather(*(asks(client) for client in here))
        await until(lambda: user in other.node.quotas._accounts)
        tokens = other.node.quotas._accounts[user].bucket._tokens
        assert tokens < BURST_MS / 2, "what the user spent at one node is charged at the other"
        # Nobody else is held up.
        stranger = await other.connect(fresh("other"))
        await stranger.ask("events.list")
        assert not other.node.quotas.waited
        assert (await there.ask("events.list"))["type"] == "events"


async def test_presence_beyond_the_fingerprints_is_a_sum_within_its_bounds(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the fingerprints of a letter at both nodes: a sum, never above the members."""
    assert MAX_FINGERPRINTS == 512
    monkeypatch.setattr(presence, "REPORT_INTERVAL_S", 0.3)
    monkeypatch.setattr(presence, "MAX_FINGERPRINTS", 5)
    async with nodes(migrated_url, redis_server.url) as (one, other):
        scene = await gathering(one, 15)
        room = (await scene.watch(scene.members[0]))[0]
        for member in scene.members[1:7]:
            await member.subscribe(scene.event)
        there: list[Any] = []
        for member in scene.members[7:14]:
            there.append(await (await other.connect(member.user)).subscribe(scene.event))
        await scene.members[0].until(lambda: room.online == 14, "seven here, seven there")
        await there[0].client.until(lambda: there[0].online == 14, "seven there, seven here")
        # Four have a socket at each node, and count twice: 18, but there are 16 members.
        for member in scene.members[:4]:
            await (await other.connect(member.user)).subscribe(scene.event)
        await scene.members[0].until(lambda: room.online == 16, "never more than members")
