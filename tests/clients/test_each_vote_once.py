"""Many votes over a line that breaks again and again: each is there once, and the room is whole."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.clients.driving import DRIVERS, driving
from tests.clients.line import Line, line_to
from tests.promises.client import Client
from tests.promises.running import running, token
from tests.promises.scenes import BY_HAND
from tests.transcripts.matching import Memory

VOTES = 300
#: Waits between two cuts, in seconds.
PAUSES = (0.02, 0.12)
FEWEST_CUTS = 5


async def _torment(line: Line, seed: int) -> None:
    """Cut the line now and then; before some cuts, swallow what the server says."""
    chance = random.Random(seed)
    while True:
        line.deaf = chance.random() < 0.5
        await asyncio.sleep(chance.uniform(*PAUSES))
        line.cut()
        # Long enough for a hello, a welcome and some votes.
        await asyncio.sleep(chance.uniform(*PAUSES))


async def _propose(admin: Client, event: str, number: int) -> str:
    """A new proposal's id; as fast as the server allows."""
    fields = {"event": event, "kind": "assumption", "category": "create"}
    while True:
        answer = await admin.send("proposal.create", content=f"Premise {number}", **fields)
        if answer["type"] == "ack":
            made: str = answer["result"]["proposal"]
            return made
        await asyncio.sleep(answer["retry_after_ms"] / 1000)


@pytest.mark.parametrize("client", DRIVERS)
async def test_each_vote_is_there_once(database_url: str, client: str) -> None:
    memory = Memory(lambda asked: "")
    # Slow enough that the votes take some cuts, as on a phone.
    async with running(database_url, commands_per_second=150, commands_burst=40) as server:
        admin = await server.connect("ada")
        policy = BY_HAND | {"membership_auto": True}
        made = (await admin.ack("event.create", subject="Lunch", policy=policy))["result"]
        event = made["event"]
        await admin.ack("event.start", event=event)
        proposals = [await _propose(admin, event, number) for number in range(VOTES)]
        async with line_to(server.port) as line, driving(client) as driver:
            driver.start(line.url, tokens=[token("bob")], answer_timeout_ms=1_000)
            join = {
                "id": "join-bob-1",
                "type": "membership.join",
                "args": {"code": made["entrance_code"]},
            }
            driver.order(do="command", **join)
            await driver.expect({"told": "ack", "id": "join-bob-1", "$more": True}, memory)
            driver.order(do="subscribe", event=event)
            await driver.expect({"told": "subscribed", "event": event, "$more": True}, memory)
            top = (await admin.subscribe(event)).seq
            tormenting = asyncio.create_task(_torment(line, seed=7))
            ids = {f"vote-{number:06}": name for number, name in enumerate(proposals)}
            votes = [
                {
                    "id": id,
                    "type": "vote.cast",
                    "args": {"event": event, "proposal": name, "revision": 1},
                }
                for id, name in ids.items()
            ]
            driver.order(do="commands", commands=votes)
            seqs = set()
            for id in ids:
                told = await driver.expect({"told": "ack", "id": id, "$more": True}, memory)
                assert told["ack"]["applied"]
                seqs.add(told["ack"]["seq"])
            tormenting.cancel()
            line.deaf = False
            assert line.opened > FEWEST_CUTS
            # One step a vote: no vote twice, none lost.
            assert seqs == set(range(top + 1, top + 1 + VOTES))
            witness = await server.connect("bob")
            fresh = await witness.subscribe(event)
            assert fresh.seq == top + VOTES
            assert fresh.you["votes"] == dict.fromkeys(proposals, 1)
            assert all(proposal["agree"] == 1 for proposal in fresh.state["proposals"].values())
            line.cut()
            pattern = {
                "told": "state", "event": event, "live": True, "seq": fresh.seq,
                "state": fresh.state, "you": fresh.you, "$more": True,
            }  # fmt: skip
            await driver.look({"do": "state", "event": event}, pattern, memory)
