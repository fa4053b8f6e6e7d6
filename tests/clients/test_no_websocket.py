"""In networks without WebSockets the promises hold over HTTP; the client returns to a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.clients.driving import OVER_HTTP, driving
from tests.clients.line import BLOCKS, line_to
from tests.promises.client import Client
from tests.promises.running import Running, running, token
from tests.promises.scenes import BY_HAND
from tests.transcripts.matching import Memory

#: Rooms of one client: more than it opens streams for.
ROOMS = 6


async def _event(admin: Client) -> tuple[str, str, str]:
    """An event in progress with a proposal; its code."""
    policy = BY_HAND | {"membership_auto": True}
    made = await admin.result("event.create", subject="Lunch", policy=policy)
    await admin.ack("event.start", event=made["event"])
    proposal = await _propose(admin, made["event"])
    return made["event"], made["entrance_code"], proposal


async def _propose(admin: Client, event: str) -> str:
    words = {"kind": "assumption", "category": "create", "content": "We have an hour"}
    proposal: str = (await admin.result("proposal.create", event=event, **words))["proposal"]
    return proposal


def _command(id: str, type: str, **args: Any) -> dict[str, Any]:
    return {"do": "command", "id": id, "type": type, "args": args}


async def _shows(driver: Any, server: Running, event: str, memory: Memory) -> None:
    """Wait until the client's room is the one that a fresh socket gets."""
    witness = await server.connect("bob")
    fresh = await witness.subscribe(event)
    pattern = {
        "told": "state", "event": event, "live": True, "seq": fresh.seq,
        "state": fresh.state, "you": fresh.you, "$more": True,
    }  # fmt: skip
    await driver.look({"do": "state", "event": event}, pattern, memory)


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("client", OVER_HTTP)
async def test_everything_works_where_no_websocket_gets_through(
    database_url: str, client: str, blocks: str
) -> None:
    memory = Memory(lambda asked: "")
    async with running(database_url) as server:
        admin = await server.connect("ada")
        event, code, proposal = await _event(admin)
        async with line_to(server.port) as line, driving(client) as driver:
            line.blocks = blocks
            driver.start(line.url, tokens=[token("bob")])
            driver.order(**_command("join-bob-1", "membership.join", code=code))
            driver.order(do="query", key="look", type="event.overview", args={"code": code})
            await driver.expect({"told": "transport", "transport": "http"}, memory)
            await driver.expect({"told": "reply", "key": "look", "$more": True}, memory)
            await driver.expect({"told": "ack", "id": "join-bob-1", "$more": True}, memory)
            driver.order(do="subscribe", event=event)
            await driver.expect({"told": "subscribed", "event": event, "$more": True}, memory)
            vote = _command("vote-bob-1", "vote.cast", event=event, proposal=proposal, revision=1)
            driver.order(**vote)
            await driver.expect({"told": "ack", "id": "vote-bob-1", "$more": True}, memory)
            refused = _command("start-bob", "event.start", event=event)
            driver.order(**refused)
            error = {"code": "forbidden", "effect": "none", "retry": "no", "$more": True}
            told = {"told": "error", "id": "start-bob", "error": error, "$more": True}
            await driver.expect(told, memory)
            # Acts of other users arrive by themselves.
            await _propose(admin, event)
            await _shows(driver, server, event, memory)
            line.cut()
            await _propose(admin, event)
            await _shows(driver, server, event, memory)
            driver.order(do="leave", event=event)
            await driver.expect({"told": "left", "event": event}, memory)


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_more_rooms_than_streams_are_all_followed(database_url: str, client: str) -> None:
    memory = Memory(lambda asked: "")
    async with running(database_url) as server:
        admin = await server.connect("ada")
        events = [await _event(admin) for _ in range(ROOMS)]
        async with line_to(server.port) as line, driving(client) as driver:
            driver.start(line.url, tokens=[token("bob")], transport="http")
            for number, (event, code, _) in enumerate(events):
                driver.order(**_command(f"join-bob-{number}", "membership.join", code=code))
                await driver.expect(
                    {"told": "ack", "id": f"join-bob-{number}", "$more": True}, memory
                )
                driver.order(do="subscribe", event=event)
                await driver.expect({"told": "subscribed", "event": event, "$more": True}, memory)
            for event, _, _ in events:
                await _propose(admin, event)
            for event, _, _ in events:
                await _shows(driver, server, event, memory)
            assert line.upgrades == 0


@pytest.mark.parametrize("client", OVER_HTTP)
async def test_a_server_that_is_away_is_asked_over_both(database_url: str, client: str) -> None:
    """Neither transport works for a while; the client takes the first that does."""
    memory = Memory(lambda asked: "")
    async with running(database_url) as server:
        admin = await server.connect("ada")
        event, code, _ = await _event(admin)
        async with line_to(server.port) as line, driving(client) as driver:
            line.break_down()
            driver.start(line.url, tokens=[token("bob")])
            driver.order(**_command("join-bob-1", "membership.join", code=code))
            await driver.expect({"told": "transport", "transport": "http"}, memory)
            await driver.expect({"told": "transport", "transport": "websocket"}, memory)
            line.mend()
            await driver.expect({"told": "ack", "id": "join-bob-1", "$more": True}, memory)
            driver.order(do="subscribe", event=event)
            await driver.expect({"told": "subscribed", "event": event, "$more": True}, memory)
            await asyncio.gather(_propose(admin, event), _propose(admin, event))
            await _shows(driver, server, event, memory)
