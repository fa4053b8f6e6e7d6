"""The bus: one contract for all adapters, and its behaviour when Redis fails."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Sized
from pathlib import Path

import pytest
from redis.asyncio import Redis

from server.bus.connection import make_redis
from server.bus.memory import MemoryBus
from server.bus.port import PositionHint, PresenceReport
from server.bus.redis import MAX_MESSAGE_BYTES, RedisBus, channel_of
from tests.parts import RedisServer
from tests.redis_parts import RedisCluster, tls_server, valkey_server
from tests.server.listening import PATIENCE, Pair, pair, pair_of, told

#: The kinds of a single Redis server, and the sharded ones.
KINDS = ["memory", "redis", "valkey", "tls", "cluster"]
PASSWORD = "a password of the tests"


@pytest.fixture(scope="module")
def valkey_url() -> Iterator[str]:
    server = RedisServer(program=valkey_server())
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def tls_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with tls_server(tmp_path_factory.mktemp("tls"), PASSWORD) as url:
        yield url


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster() as found:
        yield found


@pytest.fixture
def two(request: pytest.FixtureRequest, kind: str) -> Pair:
    """Two nodes on a bus of the requested kind."""
    if kind == "memory":
        group: set[MemoryBus] = set()
        return pair_of(MemoryBus(group), MemoryBus(group))
    fixture = {"redis": "redis_url"}.get(kind, f"{kind}_url")
    url = request.getfixturevalue("cluster").url if kind == "cluster" else None
    return pair(url or request.getfixturevalue(fixture))


@pytest.mark.parametrize("kind", KINDS)
async def test_who_watches_hears_and_nobody_else(two: Pair) -> None:
    async with two as (one, other, mine, theirs):
        other.subscribe("e1")
        one.subscribe("e1")
        await told(one, theirs, PositionHint("e1", "epoch", 7))
        other.unsubscribe("e1")
        other.subscribe("e2")
        await told(one, theirs, PositionHint("e2", "epoch", 1))
        one.publish(PositionHint("e3", "epoch", 1))
        await told(one, theirs, PositionHint("e2", "epoch", 2))
        assert not any(hint.event == "e3" for hint in theirs.heard)
        own = [hint for hint in mine.heard if isinstance(hint, PositionHint) and hint.seq]
        assert not own, "a node heard itself"


@pytest.mark.parametrize("kind", KINDS)
async def test_many_rooms_are_heard_wherever_their_channels_live(two: Pair) -> None:
    async with two as (one, other, _, theirs):
        for number in range(100):
            other.subscribe(f"room {number}")
        for number in range(100):
            await told(one, theirs, PositionHint(f"room {number}", "epoch", number + 1))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_headcount_arrives_as_it_was_told(two: Pair) -> None:
    async with two as (one, other, _, theirs):
        other.subscribe("e1")
        marks = frozenset({b"somebody", b"\x00\xff\x00\xff\x00\xff\x00\xff"})
        await told(one, theirs, PresenceReport("e1", one.node, 2, marks, True))
        await told(one, theirs, PresenceReport("e1", one.node, 600, None))
        await told(one, theirs, PresenceReport("e1", one.node, 0, frozenset()))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_hint_and_a_headcount_do_not_take_each_others_place(two: Pair) -> None:
    async with two as (one, other, _, theirs):
        other.subscribe("e1")
        await told(one, theirs, PositionHint("e1", "epoch", 1))
        one.publish(PositionHint("e1", "epoch", 2))
        one.publish(PresenceReport("e1", one.node, 1, None))
        await theirs.hears(PositionHint("e1", "epoch", 2))
        await theirs.hears(PresenceReport("e1", one.node, 1, None))


@pytest.mark.parametrize("kind", KINDS)
async def test_a_node_that_is_up_says_so(two: Pair) -> None:
    async with two as (one, _, _, _):
        async with asyncio.timeout(PATIENCE):
            while not one.is_up:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_bus_that_was_stopped_holds_no_connection(two: Pair) -> None:
    """With TLS, closing takes a round trip, which nothing waited for in some runs."""
    # Read through the loop: /dev/fd would also list the TLS server's, which runs in a thread.
    polled: Sized = asyncio.get_running_loop()._selector.get_map()  # type: ignore[attr-defined]
    at_rest = len(polled)
    async with two as (one, other, _, theirs):
        other.subscribe("e1")
        for number in range(3):
            await told(one, theirs, PositionHint("e1", "epoch", number + 1))
            for bus in (one, other):
                await bus.stop()
            assert len(polled) == at_rest
            await one.start(lambda told: None)
            await other.start(theirs)


async def test_telling_never_waits_nor_raises(redis_server: RedisServer) -> None:
    async with pair(redis_server.url) as (one, _, _, _):
        redis_server.stop()
        for number in range(20_000):
            one.publish(PositionHint(f"e{number}", "epoch", number))


async def test_a_new_subscription_is_taken_as_a_gap(redis_server: RedisServer) -> None:
    async with pair(redis_server.url) as (_, other, _, theirs):
        other.subscribe("e1")
        await theirs.hears(PositionHint("e1"))


async def test_redis_that_comes_back_is_heard_again_and_taken_as_a_gap(
    redis_server: RedisServer,
) -> None:
    async with pair(redis_server.url) as (one, other, _, theirs):
        other.subscribe("e1")
        await told(one, theirs, PositionHint("e1", "epoch", 1))
        redis_server.stop()
        theirs.heard.clear()
        redis_server.start()
        await theirs.hears(PositionHint("e1"))
        await told(one, theirs, PositionHint("e1", "epoch", 2))


async def test_redis_that_is_not_there_at_the_start_is_waited_for(
    redis_server: RedisServer,
) -> None:
    redis_server.stop()
    async with pair(redis_server.url) as (one, other, _, theirs):
        other.subscribe("e1")
        redis_server.start()
        await told(one, theirs, PositionHint("e1", "epoch", 1))


async def test_a_frozen_redis_is_noticed_and_left(redis_server: RedisServer) -> None:
    async with pair(redis_server.url) as (one, other, _, theirs):
        other.subscribe("e1")
        await told(one, theirs, PositionHint("e1", "epoch", 1))
        assert redis_server.process is not None
        os.kill(redis_server.process.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE):
                while other.is_up:
                    await asyncio.sleep(0.05)
        finally:
            os.kill(redis_server.process.pid, signal.SIGCONT)
        await told(one, theirs, PositionHint("e1", "epoch", 2))


async def test_a_redis_that_goes_and_comes_is_logged_once_each(
    redis_server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = RedisBus(redis_server.url, "test")
    await bus.start(lambda told: None)
    try:
        with caplog.at_level(logging.INFO, "ayes.bus"):
            await up(bus, True)
            redis_server.stop()
            await up(bus, False)
            for number in range(1_000):
                bus.publish(PositionHint(f"e{number}", "epoch", number))
            tried = 0

            def make(url: str) -> Redis:
                nonlocal tried
                tried += 1
                return make_redis(url)

            monkeypatch.setattr("server.bus.connection.make_redis", make)
            async with asyncio.timeout(PATIENCE):
                while tried < 6:
                    await asyncio.sleep(0.02)
            redis_server.start()
            await up(bus, True)
    finally:
        await bus.stop()
    lines = [record.message for record in caplog.records]
    assert len(lines) == 2, lines
    assert "out of reach" in lines[0]
    assert "is back" in lines[1]


async def up(bus: RedisBus, wanted: bool) -> None:
    """Wait until the bus is up, or down."""
    async with asyncio.timeout(PATIENCE):
        while bus.is_up != wanted:
            await asyncio.sleep(0.02)


async def test_every_connection_is_a_gap_and_killing_them_is_survived(
    redis_server: RedisServer,
) -> None:
    async with pair(redis_server.url) as (one, other, _, theirs):
        other.subscribe("e1")
        await told(one, theirs, PositionHint("e1", "epoch", 1))
        async with Redis.from_url(redis_server.url) as admin:
            for _ in range(3):
                theirs.heard.clear()
                await admin.client_kill_filter(_type="pubsub")
                await theirs.hears(PositionHint("e1"))
        await told(one, theirs, PositionHint("e1", "epoch", 2))


WRONG = [
    b"",
    b"nonsense",
    b"[1]",
    b"{}",
    b"\xff",
    b"{" * 5_000,
    b'{"kind":"hint","node":"n","epoch":1,"seq":"x"}',
    b'{"kind":"hint","epoch":"e","seq":1}',
    b'{"kind":"step","node":"n","epoch":"e","seq":1,"patch":{}}',
    b'{"kind":"headcount","node":"n","online":-1}',
    b'{"kind":"headcount","node":"n","online":1000000000}',
    b'{"kind":"headcount","node":"n","online":2,"marks":"AAAAAAAAAAA="}',
    b'{"kind":"headcount","node":"n","online":2,"marks":"AAAAAAAAAAAAAAAAAAAAAA=="}',
    b'{"kind":"headcount","node":"n","online":1,"marks":"not base64"}',
    b'{"kind":"hint","node":"n","epoch":"' + b"x" * MAX_MESSAGE_BYTES + b'","seq":1}',
]


async def test_what_is_no_message_of_ours_is_refused(redis_server: RedisServer) -> None:
    async with pair(redis_server.url) as (one, other, _, theirs):
        other.subscribe("e1")
        await told(one, theirs, PositionHint("e1", "epoch", 1))
        count = len(theirs.heard)
        async with Redis.from_url(redis_server.url) as forger:
            for data in WRONG:
                await forger.publish(channel_of("test", "e1"), data)
        await told(one, theirs, PositionHint("e1", "epoch", 2))
        assert set(theirs.heard[count:]) == {PositionHint("e1", "epoch", 2)}


async def test_a_wrong_password_or_authority_is_no_way_in(
    tls_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    strangers = [
        tls_url.replace(PASSWORD, "a guess"),
        tls_url.partition("?")[0],
        tls_url.replace("rediss://", "redis://"),
    ]
    for url in strangers:
        bus = RedisBus(url, "test")
        with caplog.at_level(logging.WARNING, "ayes.bus"):
            await bus.start(lambda told: None)
            async with asyncio.timeout(PATIENCE):
                while not caplog.records:
                    await asyncio.sleep(0.02)
            await bus.stop()
        assert not bus.is_up
        assert PASSWORD not in caplog.text
        assert "a guess" not in caplog.text
        caplog.clear()
