"""Each fault of Redis has its own words and remedy; one that forbids no message is no outage."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from server.bus.redis import RedisBus
from server.doctor import redis as doctor
from server.doctor.finding import Level
from tests.parts import RedisServer, free_port
from tests.promises.client import PATIENCE


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """A Redis of its own, which the test may break."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


def say(server: RedisServer, *command: object) -> Any:
    """Give ``server`` a command."""
    with Redis.from_url(server.url) as client:
        return client.execute_command(*command)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisBus]:
    """A node's bus at ``url``."""
    bus = RedisBus(url, "test")
    await bus.start(lambda message: None)
    try:
        yield bus
    finally:
        await bus.stop()


async def until(found: Callable[[], bool]) -> None:
    """Wait for what must come."""
    async with asyncio.timeout(PATIENCE):
        while not found():
            await asyncio.sleep(0.02)


async def reported(url: str) -> tuple[str, str]:
    """Fact and cure of the only finding about this Redis, which is no good one."""
    [finding] = [each async for each in doctor.findings(url)]
    assert finding.level is not Level.OK
    return finding.fact, finding.cure


async def names(url: str, fact: str, cure: str) -> None:
    """Check that the bus and ``ayes doctor`` both name this fault."""
    async with connected(url) as bus:
        await until(lambda: bus.trouble is not None)
        assert bus.trouble is not None
        assert fact in bus.trouble.fact
        assert cure in bus.trouble.cure
        assert not bus.is_up
    said = await reported(url)
    assert fact in said[0]
    assert cure in said[1]


async def test_a_password_that_is_missing_or_wrong(redis: RedisServer) -> None:
    say(redis, "CONFIG", "SET", "requirepass", "right")
    await names(redis.url, "wants a password", "AYES_REDIS_URL")
    await names(redis.url.replace("//", "//:wrong@"), "refuses the user", "AYES_REDIS_URL")


async def test_a_server_that_is_not_there() -> None:
    await names(f"redis://127.0.0.1:{free_port()}/0", "is out of reach", "start it")


async def test_a_frozen_server(redis: RedisServer) -> None:
    assert redis.process is not None
    async with connected(redis.url) as bus:
        await until(lambda: bus.is_up)
        os.kill(redis.process.pid, signal.SIGSTOP)
        try:
            await until(lambda: "frozen" in str(bus.trouble))
            assert "frozen" in (await reported(redis.url))[0]
        finally:
            os.kill(redis.process.pid, signal.SIGCONT)
        await until(lambda: bus.is_up and bus.trouble is None)


async def test_a_server_without_a_place_for_one_more_client(redis: RedisServer) -> None:
    say(redis, "CONFIG", "SET", "maxclients", 1)
    with Redis.from_url(redis.url) as other:
        other.ping()
        await names(redis.url, "takes no more clients", "maxclients")


async def test_a_full_memory_stops_no_message(redis: RedisServer) -> None:
    say(redis, "CONFIG", "SET", "maxmemory", 1)
    async with connected(redis.url) as bus:
        await until(lambda: bus.is_up)
        bus.subscribe("e")
    [finding] = [each async for each in doctor.findings(redis.url)]
    assert finding.level is Level.OK


async def test_a_disk_that_takes_no_backup_of_redis_stops_no_message(tmp_path: Path) -> None:
    """Redis then refuses PING, but publishes."""
    folder = tmp_path / "gone"
    folder.mkdir()
    redis = RedisServer(options={"dir": str(folder), "save": "3600 1"})
    redis.start()
    try:
        await _publishes_though_it_cannot_save(redis, folder)
    finally:
        redis.stop()


async def _publishes_though_it_cannot_save(redis: RedisServer, folder: Path) -> None:
    folder.rmdir()
    say(redis, "SET", "something", "else")
    say(redis, "BGSAVE")
    await until(lambda: say(redis, "INFO")["rdb_last_bgsave_status"] == "err")
    with pytest.raises(ResponseError, match="MISCONF"):
        say(redis, "PING")
    async with connected(redis.url) as bus:
        await until(lambda: bus.is_up)
        await asyncio.sleep(1.5)  # a heartbeat that is refused
        assert bus.is_up
        assert bus.trouble is None
    assert "cannot write its data to disk" in (await reported(redis.url))[0]
