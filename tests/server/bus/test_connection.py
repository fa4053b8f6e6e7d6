"""A connection to Redis: the signs that it is lost."""

from __future__ import annotations

import asyncio
import logging

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from server.bus.connection import is_lost
from server.bus.port import PositionHint
from tests.parts import RedisServer
from tests.server.listening import pair, told


def test_a_write_to_a_connection_that_broke_meanwhile_is_no_defect() -> None:
    async def write() -> None:
        gone = asyncio.Event()

        class Peer(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                gone.set()

        loop = asyncio.get_running_loop()
        server = await loop.create_server(Peer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        transport.abort()
        await gone.wait()
        with pytest.raises(RuntimeError) as found:
            transport.write(b"HELLO")
        assert is_lost(found.value)
        server.close()
        await server.wait_closed()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(write(), 10))


def test_what_a_server_that_goes_raises_is_a_lost_connection_and_a_defect_is_none() -> None:
    assert is_lost(RedisConnectionError("Connection closed by server."))
    assert is_lost(ConnectionResetError())
    assert not is_lost(RuntimeError("dictionary changed size during iteration"))


@pytest.mark.parametrize("option", ["", "?protocol=2"])
async def test_no_message_is_formatted_for_a_log_whatever_its_level(
    redis_server: RedisServer, option: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(redis_server.url + option) as (one, other, _, theirs):
        other.subscribe("e1")
        for name in ("", "push_response"):
            caplog.set_level(logging.DEBUG, name)
        await told(one, theirs, PositionHint("e1", "the epoch of this test", 1))
        await told(one, theirs, PositionHint("e1", "the epoch of this test", 2))
    assert "the epoch of this test" not in caplog.text
