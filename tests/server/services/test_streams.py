"""A stream over HTTP wakes when it may have to end, and not every second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from persistence.queries.revocations import revoke
from server.http import stream
from server.services.streams import Streams
from tests.promises.client import PATIENCE
from tests.promises.running import Running, token
from tests.promises.scenes import Scene, gathering

BEAT_S = 20.0


class Waits:
    """The length of each wait of a stream; no clock is used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: list[float] = []
        something = stream._Feed.something

        async def recorded(feed: stream._Feed, seconds: float) -> None:
            self.seconds.append(seconds)
            await something(feed, seconds)

        monkeypatch.setattr(stream._Feed, "something", recorded)


@asynccontextmanager
async def reading(
    server: Running, scene: Scene, *, seconds: float = 3_600
) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of a stream after its snapshot."""
    user = scene.admin.user
    headers = {"authorization": f"Bearer {token(user, seconds=seconds)}"}
    url = f"{server.base}/v1/events/{scene.event}/stream"
    async with (
        httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as client,
        client.stream("GET", url, headers=headers) as answer,
        asyncio.timeout(PATIENCE),
    ):
        lines = answer.aiter_lines()
        async for line in lines:
            if line.startswith("data: "):
                break
        yield lines


async def to_its_end(lines: AsyncIterator[str]) -> None:
    async for _ in lines:
        pass


async def test_a_stream_sleeps_until_its_next_sign_of_life(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = Waits(monkeypatch)
    scene = await gathering(server)
    async with reading(server, scene) as lines:
        for _ in range(3):
            await scene.do("event.rotate_code")
            async for line in lines:
                if line == "event: diff":
                    break
    assert set(waits.seconds) == {BEAT_S}


async def test_a_revocation_ends_the_streams_of_its_user_alone(server: Running) -> None:
    scene, other = await gathering(server), await gathering(server)
    async with reading(server, other), reading(server, scene) as lines:
        await revoke(server.node.database, scene.admin.user)
        await to_its_end(lines)
        assert len(server.node.streams) == 1


async def test_a_stream_ends_with_its_token(server: Running) -> None:
    scene = await gathering(server)
    async with reading(server, scene, seconds=1.0) as lines:
        await to_its_end(lines)
    assert len(server.node.streams) == 0


async def test_streams_end_when_the_server_goes_away(server: Running) -> None:
    scene = await gathering(server)
    async with reading(server, scene) as one, reading(server, scene) as two:
        draining = asyncio.create_task(server.drain())
        await asyncio.gather(to_its_end(one), to_its_end(two))
        await draining
    assert len(server.node.streams) == 0


async def test_a_stream_that_begins_while_the_server_goes_away_ends_at_once(
    server: Running,
) -> None:
    scene = await gathering(server)
    server.node.draining.has_begun = True
    async with reading(server, scene) as lines:
        await to_its_end(lines)
    server.node.draining.has_begun = False


def test_an_ended_stream_is_forgotten() -> None:
    class Nothing:
        def wake(self) -> None:
            """Do nothing."""

        def leave(self) -> None:
            """Do nothing."""

    streams = Streams()
    one, two = Nothing(), Nothing()
    streams.begin("ada", one)
    streams.begin("ada", two)
    assert len(streams) == 2
    streams.end("ada", one)
    streams.end("ada", one)
    assert list(streams) == [two]
    streams.end("ada", two)
    assert not streams._of


async def test_the_users_that_are_known_are_forgotten_the_least_recently_used_first(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.services.users.MAX_KNOWN_USERS", 2)
    from persistence.queries import event_reads as queries

    asked: list[str] = []
    put_users = queries.put_users

    async def recorded(where: object, names: dict[str, str]) -> None:
        asked.extend(names)
        await put_users(server.node.database, names)

    monkeypatch.setattr(queries, "put_users", recorded)
    for user in ("ada", "bob", "ada", "cyd", "ada", "bob"):
        identity = server.node.auth.check(server.node.auth.make(user, None, timedelta(hours=1)))
        await server.node.users.know(identity.actor)
    assert asked == ["ada", "bob", "cyd", "bob"]
