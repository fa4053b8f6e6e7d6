"""Letters between nodes: their receivers, their contents, and who can write one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from server.bus.memory import MemoryBus
from server.bus.port import Bus
from server.bus.redis import LETTER, MAX_LETTER_BYTES, RedisBus, letters_channel_of
from server.bus.seal import Seal
from tests.parts import RedisServer
from tests.redis_parts import RedisCluster
from tests.server.listening import PATIENCE

KEY = b"a key of the tests, 32 bytes long"


class Box:
    """The messages that came to one channel."""

    def __init__(self, bus: Bus, channel: str) -> None:
        self.texts: list[bytes] = []
        self.open = asyncio.Event()
        self._changed = asyncio.Event()
        bus.listen(channel, self._take)

    def _take(self, text: bytes | None) -> None:
        if text is None:
            self.open.set()
        else:
            self.texts.append(text)
            self._changed.set()

    async def gets(self, *texts: bytes) -> None:
        """Wait until these messages came, and no other."""
        async with asyncio.timeout(PATIENCE):
            while len(self.texts) < len(texts):
                self._changed.clear()
                await self._changed.wait()
        assert self.texts == [*texts]


@asynccontextmanager
async def started(*buses: Bus) -> AsyncIterator[None]:
    for bus in buses:
        bus.use_key(KEY)
        await bus.start(lambda message: None)
    try:
        yield
    finally:
        for bus in buses:
            await bus.stop()


@asynccontextmanager
async def two(kind: str, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Bus, Bus]]:
    group: set[MemoryBus] = set()
    cluster = RedisCluster() if kind == "cluster" else None
    if cluster is not None:
        cluster.__enter__()
    try:
        buses: list[Bus]
        if kind == "memory":
            buses = [MemoryBus(group), MemoryBus(group)]
        else:
            url = cluster.url if cluster else request.getfixturevalue("redis_server").url
            buses = [RedisBus(url, "test"), RedisBus(url, "test")]
        async with started(*buses):
            yield buses[0], buses[1]
    finally:
        if cluster is not None:
            cluster.__exit__(None, None, None)


@pytest.mark.parametrize("kind", ["memory", "redis", "cluster"])
async def test_a_letter_comes_to_its_channel_and_to_no_other(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with two(kind, request) as (one, other):
        mine, theirs, third = Box(one, "a"), Box(other, "b"), Box(other, "c")
        for box in (mine, theirs, third):
            await asyncio.wait_for(box.open.wait(), PATIENCE)
        one.post("b", lambda: b"to b")
        await theirs.gets(b"to b")
        one.post("c", lambda: b"to c")
        other.post("a", lambda: b"to a")
        await third.gets(b"to c")
        await mine.gets(b"to a")
        assert theirs.texts == [b"to b"]


@pytest.mark.parametrize("kind", ["memory", "redis"])
async def test_what_gathers_before_a_letter_leaves_goes_with_it(
    kind: str, request: pytest.FixtureRequest
) -> None:
    async with two(kind, request) as (one, other):
        box = Box(other, "b")
        await asyncio.wait_for(box.open.wait(), PATIENCE)
        due: list[bytes] = []

        def write() -> bytes | None:
            text, due[:] = b",".join(due), []
            return text or None

        for number in range(100):
            due.append(b"%d" % number)
            one.post("b", write)
        await box.gets(b",".join(b"%d" % number for number in range(100)))


async def test_forged_repeated_and_foreign_letters_are_told_apart(
    redis_server: RedisServer,
) -> None:
    one, other = RedisBus(redis_server.url, "test"), RedisBus(redis_server.url, "test")
    async with started(one, other), Redis.from_url(redis_server.url) as forger:
        box = Box(other, "b")
        await asyncio.wait_for(box.open.wait(), PATIENCE)
        stranger, sender = Seal(), Seal()
        stranger.use(b"another key, of another database!")
        sender.use(KEY)
        true = sender.seal(LETTER, "b", b"true")
        pipe: Any = forger.pipeline(transaction=False)
        channel = letters_channel_of("test", "b")
        for number in range(500):
            forged = bytearray(true)
            forged[number % len(true)] ^= 1 + number % 255
            pipe.publish(channel, bytes(forged))
            pipe.publish(channel, stranger.seal(LETTER, "b", b"forged"))
            pipe.publish(channel, b"x" * (number % 100))
            # Sealed by a node, for another channel or another use.
            pipe.publish(channel, sender.seal(LETTER, "a", b"for a"))
            pipe.publish(channel, sender.seal("step", "b", b"a step"))
        pipe.publish(channel, sender.seal(LETTER, "b", bytes(MAX_LETTER_BYTES + 1)))
        await pipe.execute()
        one.post("b", lambda: b"honest")
        await box.gets(b"honest")
