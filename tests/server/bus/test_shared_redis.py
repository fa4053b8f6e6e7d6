"""A Redis that is shared with another deployment, or whose user has too few rights."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from redis.asyncio import Redis

from persistence.database.deployment import deployment_id
from server.bus.port import PositionHint
from server.bus.redis import RedisBus
from tests.parts import RedisServer
from tests.server.listening import PATIENCE, Ear, pair_of, told


async def acl(url: str, *words: str) -> None:
    """Change the rights of the user ``narrow``."""
    async with Redis.from_url(url) as redis:
        await redis.execute_command("ACL", "SETUSER", "narrow", *words)  # type: ignore[no-untyped-call]


async def test_two_deployments_on_one_redis_do_not_hear_each_other(
    redis_server: RedisServer,
) -> None:
    stranger = RedisBus(redis_server.url, "staging")
    ear = Ear()
    await stranger.start(ear)
    try:
        stranger.subscribe("e1")
        one, other = (RedisBus(redis_server.url, "production") for _ in range(2))
        async with pair_of(one, other) as (_, _, _, theirs):
            other.subscribe("e1")
            await told(one, theirs, PositionHint("e1", "epoch", 1))
            await told(one, theirs, PositionHint("e1", "epoch", 2))
    finally:
        await stranger.stop()
    # The empty hint belongs to the subscription itself.
    assert [message for message in ear.heard if message != PositionHint("e1")] == []


async def test_the_id_of_a_deployment_is_its_databases(
    database_url: str, empty_database_url: str
) -> None:
    assert await deployment_id(database_url) == await deployment_id(database_url)
    assert await deployment_id(database_url) != await deployment_id(empty_database_url)


async def test_a_database_that_hides_its_cluster_has_an_id_all_the_same(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetchval = asyncpg.Connection.fetchval

    async def refusing(self: asyncpg.Connection, query: str, *rest: object) -> object:
        if "pg_control_system" in query:
            raise asyncpg.InsufficientPrivilegeError("permission denied")
        return await fetchval(self, query, *rest)

    before = await deployment_id(database_url)
    monkeypatch.setattr(asyncpg.Connection, "fetchval", refusing)
    assert await deployment_id(database_url) != before


@asynccontextmanager
async def limited(server: RedisServer, *rights: str) -> AsyncIterator[str]:
    """Make a user of ``server`` with these rights; return the URL for it."""
    await acl(server.url, "reset", "on", ">secret", *rights)
    yield server.url.replace("redis://", "redis://narrow:secret@")


@pytest.mark.parametrize(
    "rights",
    [
        ("+@all", "resetchannels"),
        ("+@all", "-publish", "allchannels"),
        ("+@all", "-subscribe", "allchannels"),
    ],
    ids=["no channel", "no publish", "no subscribe"],
)
async def test_a_missing_right_is_named_once_and_granted_without_a_restart(
    redis_server: RedisServer,
    rights: tuple[str, ...],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("server.bus.connection.NO_PERMISSION_DELAY_S", 0.05)
    async with limited(redis_server, *rights) as url:
        bus = RedisBus(url, "test")
        await bus.start(lambda message: None)
        try:
            with caplog.at_level(logging.INFO, "ayes.bus"):
                bus.subscribe("e1")
                bus.publish(PositionHint("e1", "epoch", 1))
                async with asyncio.timeout(PATIENCE):
                    while not logged(caplog, "lacks a right"):
                        await asyncio.sleep(0.02)
                    # After every retry, and with any heartbeats.
                    for number in range(20):
                        bus.publish(PositionHint("e1", "epoch", number))
                        await asyncio.sleep(0.05)
            assert "channels &ayes:*" in logged(caplog, "lacks a right")[0]
            # A line for each direction at most.
            assert 1 <= len(logged(caplog, "lacks a right")) <= 2
            assert not logged(caplog, "is back")
            await acl(redis_server.url, "+@all", "allchannels")
            async with asyncio.timeout(PATIENCE):
                while not bus.is_up:
                    bus.publish(PositionHint("e1", "epoch", 99))
                    await asyncio.sleep(0.05)
        finally:
            await bus.stop()


def logged(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    """The lines of the log that contain ``words``."""
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]
