"""Silent sockets of one address cannot take all places of connections from other addresses."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.fixtures.servers import Start
from tests.promises.client import Client
from tests.promises.running import Running
from tests.promises.scenes import fresh

PLACES = 20
ATTACKER = "192.0.2.66"


def at(address: str) -> dict[str, Any]:
    """Headers of a request through a trusted proxy on this machine."""
    return {"headers": {"X-Forwarded-For": address}}


async def silent(server: Running, *addresses: str) -> list[Client]:
    """Sockets that never say hello, one after another."""
    return [await server.open(**at(address)) for address in addresses]


async def test_silent_sockets_of_one_address_keep_no_other_address_out(start: Start) -> None:
    server = await start(unauthenticated=PLACES)
    attack = await silent(server, *[ATTACKER] * PLACES)
    for number in range(PLACES // 2):
        await server.connect(fresh("honest"), **at(f"198.51.100.{number}"))
    # Each took the place of the oldest silent socket, which is sent a time to come back.
    assert await attack[0].gone() == 4429
    assert attack[0].of("bye")[0]["retry_after_ms"] > 0
    assert server.node.connections._unauthenticated.count(ATTACKER) == PLACES - 1


async def test_all_addresses_of_one_ipv6_network_are_one(start: Start) -> None:
    server = await start(unauthenticated=PLACES)
    await silent(server, *(f"2001:db8:1:2::{n:x}" for n in range(1, PLACES)), "::ffff:192.0.2.1")
    await silent(server, "192.0.2.1")
    counts = server.node.connections._unauthenticated.count
    assert (counts("2001:db8:1:2::/64"), counts("192.0.2.1")) == (PLACES - 2, 2)
    await server.connect(fresh("honest"), **at("2001:db8:1:3::1"))


async def test_a_flood_that_comes_back_again_and_again_keeps_no_login_out(start: Start) -> None:
    """The attacker closes before the deadline, and opens as many again."""
    server = await start(unauthenticated=PLACES)

    async def flood() -> None:
        while True:
            attack = await asyncio.gather(
                *(server.open(**at(f"2001:db8:f::{n % 7}")) for n in range(PLACES + 5))
            )
            await asyncio.gather(*(client.leave() for client in attack))

    flooding = asyncio.create_task(flood())
    try:
        for number in range(15):
            client = await server.connect(fresh("honest"), **at(f"198.51.100.{number}"))
            await client.leave()
    finally:
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)


async def test_behind_one_address_a_login_takes_the_place_of_the_longest_silent(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start(unauthenticated=PLACES)
    attack = await silent(server, *[ATTACKER] * PLACES)
    monkeypatch.setattr("server.limits.fair_slots.SLOT_GRACE_TTL_S", 0.0)
    await server.connect(fresh("honest"), **at(ATTACKER))
    assert await attack[0].gone() == 4429


async def test_a_storm_from_one_address_gets_in_whole(start: Start) -> None:
    server = await start()
    await asyncio.gather(*(server.connect(fresh("member"), **at("192.0.2.9")) for _ in range(300)))
    assert server.node.reconnects.delay("192.0.2.9", 0.0) == 0


async def test_silent_sockets_give_way_where_all_sockets_are_taken(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await start(connections=3)
    await server.connect(fresh("first"))
    quiet = await silent(server, ATTACKER, ATTACKER)
    await server.connect(fresh("second"), **at("198.51.100.1"))
    assert await quiet[0].gone() == 4429
    # A socket that has said hello never loses its place.
    monkeypatch.setattr("server.limits.fair_slots.SLOT_GRACE_TTL_S", 0.0)
    await server.connect(fresh("third"), **at("198.51.100.2"))
    assert await quiet[1].gone() == 4429
    over = await server.open(**at("198.51.100.3"))
    assert await over.gone() == 4429


async def leave_without_hello(server: Running, address: str, times: int) -> None:
    """Connect and disconnect, again and again."""
    for _ in range(times):
        await (await server.open(**at(address))).leave()


async def waits(server: Running, address: str) -> bool:
    """Whether new sockets of ``address`` wait for their turn."""
    offenders = server.node.reconnects
    now = asyncio.get_running_loop().time()
    first, second = offenders.delay(address, now), offenders.delay(address, now)
    return first != 0 or second != 0


async def test_who_leaves_without_a_hello_again_and_again_is_an_offender(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.limits.reconnect_throttle.UNAUTHENTICATED_BURST", 3)
    server = await start()
    await leave_without_hello(server, ATTACKER, 3)
    await leave_without_hello(server, "198.51.100.1", 1)
    assert not await waits(server, ATTACKER)
    await leave_without_hello(server, ATTACKER, 2)
    async with asyncio.timeout(30):
        while not await waits(server, ATTACKER):
            await asyncio.sleep(0.01)
    assert not await waits(server, "198.51.100.1")


async def test_wrong_tokens_count_as_no_hello_and_good_ones_do_not(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.limits.reconnect_throttle.UNAUTHENTICATED_BURST", 1)
    server = await start()
    for _ in range(3):
        client = await server.connect(fresh("honest"), **at("198.51.100.1"))
        await client.leave()
        client = await server.open(**at(ATTACKER))
        await client.say({"type": "hello", "token": "wrong"})
        assert await client.gone() == 4500
    async with asyncio.timeout(30):
        while not await waits(server, ATTACKER):
            await asyncio.sleep(0.01)
    assert not await waits(server, "198.51.100.1")


async def test_sockets_that_the_server_sent_away_are_no_offence(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.limits.reconnect_throttle.UNAUTHENTICATED_BURST", 1)
    server = await start(drain_seconds=1)
    async with AsyncExitStack():
        await silent(server, *[ATTACKER] * 5)
        await server.drain()
    assert not await waits(server, ATTACKER)


async def test_bad_frames_are_forgotten_in_time(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.sessions.flood.BAD_FRAMES_PER_SECOND", 1_000.0)
    client = await server.connect(fresh("clumsy"))
    for number in range(1, 31):
        await client.raw("no JSON")
        await client.saw("error", number)
        await asyncio.sleep(0.002)
    await client.ask("ping")
