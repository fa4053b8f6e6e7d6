"""The bus: one contract for both adapters, and what becomes of rooms when Redis misbehaves."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from server.bus import Bus, Hint, MemoryBus
from server.redis_bus import PREFIX, RedisBus
from tests.parts import RedisServer

PATIENCE = 20.0


class Ear:
    """Remembers the hints it hears."""

    def __init__(self) -> None:
        self.heard: list[Hint] = []
        self._moved = asyncio.Event()

    def __call__(self, hint: Hint) -> None:
        self.heard.append(hint)
        self._moved.set()

    async def hears(self, hint: Hint) -> None:
        """Wait until ``hint`` was heard."""
        async with asyncio.timeout(PATIENCE):
            while hint not in self.heard:
                self._moved.clear()
                await self._moved.wait()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis that a test may ill-treat."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def pair(kind: str, redis: RedisServer) -> AsyncIterator[tuple[Bus, Bus, Ear, Ear]]:
    """Two nodes on one bus, each with what it heard."""
    group: set[MemoryBus] = set()
    buses: list[Bus] = [
        MemoryBus(group) if kind == "memory" else RedisBus(redis.url) for _ in range(2)
    ]
    ears = [Ear(), Ear()]
    for bus, ear in zip(buses, ears, strict=True):
        await bus.start(ear)
    try:
        yield buses[0], buses[1], ears[0], ears[1]
    finally:
        for bus in buses:
            await bus.stop()


async def told(bus: Bus, ear: Ear, hint: Hint) -> None:
    """Tell until it is heard: nothing promises that a single hint arrives."""
    async with asyncio.timeout(PATIENCE):
        while True:
            bus.tell(hint)
            try:
                async with asyncio.timeout(0.5):
                    await ear.hears(hint)
                    return
            except TimeoutError:
                continue


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_who_watches_hears_and_nobody_else(kind: str, redis_server: RedisServer) -> None:
    async with pair(kind, redis_server) as (one, other, mine, theirs):
        other.watch("e1")
        one.watch("e1")
        await told(one, theirs, Hint("e1", "epoch", 7))
        other.unwatch("e1")
        other.watch("e2")
        await told(one, theirs, Hint("e2", "epoch", 1))
        one.tell(Hint("e3", "epoch", 1))
        await told(one, theirs, Hint("e2", "epoch", 2))
        assert not any(hint.event == "e3" for hint in theirs.heard)
        assert not any(hint.seq for hint in mine.heard), "a node hears itself"


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_telling_never_waits_nor_raises(kind: str, redis_server: RedisServer) -> None:
    async with pair(kind, redis_server) as (one, _, _, _):
        redis_server.stop()
        for number in range(20_000):
            one.tell(Hint(f"e{number}", "epoch", number))


async def test_a_new_subscription_is_taken_as_a_gap(redis_server: RedisServer) -> None:
    async with pair("redis", redis_server) as (_, other, _, theirs):
        other.watch("e1")
        await theirs.hears(Hint("e1"))


async def test_redis_that_comes_back_is_heard_again_and_taken_as_a_gap(
    redis_server: RedisServer,
) -> None:
    async with pair("redis", redis_server) as (one, other, _, theirs):
        other.watch("e1")
        await told(one, theirs, Hint("e1", "epoch", 1))
        redis_server.stop()
        theirs.heard.clear()
        redis_server.start()
        await theirs.hears(Hint("e1"))
        await told(one, theirs, Hint("e1", "epoch", 2))


async def test_redis_that_is_not_there_at_the_start_is_waited_for(
    redis_server: RedisServer,
) -> None:
    redis_server.stop()
    async with pair("redis", redis_server) as (one, other, _, theirs):
        other.watch("e1")
        redis_server.start()
        await told(one, theirs, Hint("e1", "epoch", 1))


async def test_a_frozen_redis_is_noticed_and_left(redis_server: RedisServer) -> None:
    async with pair("redis", redis_server) as (one, other, _, theirs):
        assert isinstance(other, RedisBus)
        other.watch("e1")
        await told(one, theirs, Hint("e1", "epoch", 1))
        assert redis_server.process is not None
        os.kill(redis_server.process.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE):
                while other.is_up:
                    await asyncio.sleep(0.05)
        finally:
            os.kill(redis_server.process.pid, signal.SIGCONT)
        await told(one, theirs, Hint("e1", "epoch", 2))


async def test_what_is_no_hint_of_ours_is_refused(redis_server: RedisServer) -> None:
    async with pair("redis", redis_server) as (one, other, _, theirs):
        other.watch("e1")
        await told(one, theirs, Hint("e1", "epoch", 1))
        count = len(theirs.heard)
        async with Redis.from_url(redis_server.url) as forger:
            for data in (b"", b"nonsense", b"[1]", b'{"epoch":1,"seq":"x"}', b"{" * 5_000, b"\xff"):
                await forger.publish(PREFIX + "e1", data)
        await told(one, theirs, Hint("e1", "epoch", 2))
        assert all(hint.epoch == "epoch" for hint in theirs.heard[count:])
