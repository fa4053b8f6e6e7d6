"""A home that is silent for a moment, nodes that are restarted: it costs time and nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from server.homes.outgoing import SILENCE_TIMEOUT_S
from tests.parts import RedisServer, free_port
from tests.promises.nodes.homes import PATIENCE, counts, forwards, nodes, shared, until
from tests.promises.nodes.voters import Voters, paused, statements
from tests.promises.running import Killable, killable

log = logging.getLogger("tests.silent_nodes")

#: Statements of PostgreSQL that a vote may cost while two nodes take the events from each other.
MAX_STATEMENTS = 12
#: Seconds until a home that was silent decides for the other nodes again: one or two, if the
#: machine has time for it.
BACK_SECONDS = PATIENCE


async def answered(node: Killable) -> float:
    """The commands that homes have decided for a node."""
    return (await forwards(node))["ayes_forwards_answered_total"]


async def forwarding(node: Killable) -> float:
    """Wait until homes decide for a node again; return the seconds."""
    began, before = time.monotonic(), await answered(node)
    async with asyncio.timeout(BACK_SECONDS):
        while await answered(node) < before + 5:
            await asyncio.sleep(0.05)
    return time.monotonic() - began


async def _until_forwarded(voters: Voters, node: Killable) -> None:
    """Begin events until another node is the home of some: the home of each is by chance."""
    async with asyncio.timeout(PATIENCE):
        await voters.begin(6)
        while not await answered(node):
            await voters.begin(2)


async def _cost(voters: Voters, work: Coroutine[Any, Any, None]) -> float:
    """The statements of PostgreSQL for each vote while ``work`` runs."""
    ran, decided = await statements(voters.nodes), voters.decided
    await work
    return (await statements(voters.nodes) - ran) / (voters.decided - decided)


async def test_a_home_that_stands_still_costs_time_and_nothing_else(
    migrated_url: str, tmp_path: Path, redis_server: RedisServer
) -> None:
    settings: dict[str, Any] = {"redis_url": redis_server.url, "forward": "on"}
    async with (
        killable(migrated_url, tmp_path / "1", **settings) as one,
        killable(migrated_url, tmp_path / "2", **settings) as other,
    ):
        voters = Voters([one, other])
        await _until_forwarded(voters, one)
        await forwarding(one)
        costs, back = [await _cost(voters, voters.more(100))], []
        for seconds in (SILENCE_TIMEOUT_S + 0.45, SILENCE_TIMEOUT_S + 1.5, SILENCE_TIMEOUT_S):

            async def silent(seconds: float = seconds) -> None:
                await paused(other, seconds)
                back.append(await forwarding(one))
                await voters.more(20)

            costs.append(await _cost(voters, silent()))
        local = {k: v for k, v in (await forwards(one)).items() if "local" in k and v}
        assert any("silent" in name for name in local), local
        await voters.end(migrated_url)
        log.info("%d votes, back after %s s, statements a vote %s", voters.decided, back, costs)
        log.info("%s", local)
        assert max(costs) < MAX_STATEMENTS
        for node in (one, other):
            await node.leave()


async def test_two_nodes_that_both_decide_for_a_while_come_back_to_one_home(
    migrated_url: str, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with nodes(migrated_url, redis_server.url) as found:
        event = await shared(found)
        bus, lanes = event.home.node.bus, event.other.node.lanes.counts
        post = bus.post

        def silent(channel: str, writer: Any) -> None:
            if not channel.startswith("node:"):
                post(channel, writer)

        monkeypatch.setattr(bus, "post", silent)
        alone = lanes.acked, event.home.node.lanes.counts.acked
        everyone = [*event.here, event.scene.members[0]]
        await asyncio.gather(*(event.votes(client, 5, retried=True) for client in everyone))
        assert lanes.acked > alone[0]
        assert event.home.node.lanes.counts.acked > alone[1]
        assert counts(event.other).local["silent"]
        monkeypatch.undo()
        # The home is tried again by itself, and then decides everything.
        began, before = time.monotonic(), counts(event.other).answered
        while counts(event.other).answered == before:
            await event.votes(event.here[0], retried=True)
            assert time.monotonic() - began < BACK_SECONDS
        await until(lambda: not event.other.node.homes.waiting())
        decided = lanes.acked
        await asyncio.gather(*(event.votes(client, 3) for client in everyone))
        assert lanes.acked == decided, "the other node decided, too"
        await event.agree()


async def test_a_rolling_restart_of_all_nodes_loses_and_doubles_nothing(
    migrated_url: str, tmp_path: Path, redis_server: RedisServer
) -> None:
    """SIGTERM for one after the other, while people on both vote."""
    async with AsyncExitStack() as stack:
        settings: dict[str, Any] = {
            "redis_url": redis_server.url,
            "forward": "on",
            "drain_seconds": 2,
        }

        async def start(name: str, port: int = 0) -> Killable:
            server = killable(migrated_url, tmp_path / name, port=port, **settings)
            return await stack.enter_async_context(server)

        ports = [free_port(), free_port()]
        running = [await start(f"{number}", port) for number, port in enumerate(ports)]
        voters = Voters(running)
        await voters.begin(4)
        for turn in range(len(running)):
            await voters.more(20)
            old = voters.nodes.pop(0)
            assert isinstance(old, Killable)
            async with asyncio.timeout(2 * PATIENCE):
                assert await old.terminate() == 0
            assert not [line for line in old.log if "Traceback" in line]
            voters.nodes.append(await start(f"again-{turn}", old.port))
        await voters.more(20)
        await voters.end(migrated_url)
        log.info(
            "%d votes, %d sent again, %d unknown", voters.decided, voters.again, voters.unknown
        )
        for node in voters.nodes:
            await node.leave()
