"""Many votes over a line that breaks often: each vote counts once, and the room is complete."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.clients.driving import WAYS, driving
from tests.clients.line import line_to
from tests.promises.client import Client
from tests.promises.running import running, token
from tests.promises.scenes import BY_HAND
from tests.transcripts.matching import Memory

VOTES = 300
#: Votes between two cuts.
BREAK_EVERY = 15
#: Minimum of connections; with fewer, the run proved nothing.
FEWEST = 5
#: Votes sent at once on a new connection; the rest follows at a rate, as from a phone.
BURST = 30


async def _propose(admin: Client, event: str, number: int) -> str:
    """Propose as fast as the server allows; return the new proposal's id."""
    fields = {"event": event, "kind": "assumption", "category": "create"}
    while True:
        answer = await admin.send("proposal.create", content=f"Premise {number}", **fields)
        if answer["type"] == "ack":
            made: str = answer["result"]["proposal"]
            return made
        await asyncio.sleep(answer["retry_after_ms"] / 1000)


@pytest.mark.parametrize(("client", "options"), WAYS.values(), ids=WAYS)
async def test_each_vote_is_there_once(
    database_url: str, client: str, options: dict[str, str]
) -> None:
    memory = Memory(lambda asked: "")
    paced: dict[str, Any] = {"commands_per_second": 150, "commands_burst": BURST}
    async with running(database_url, pending_per_author=VOTES, **paced) as server:
        admin = await server.connect("ada")
        policy = BY_HAND | {"membership_auto": True}
        made = (await admin.ack("event.create", subject="Lunch", policy=policy))["result"]
        event = made["event"]
        await admin.ack("event.start", event=event)
        proposals = [await _propose(admin, event, number) for number in range(VOTES)]
        async with line_to(server.port) as line, driving(client) as driver:
            driver.start(line.url, tokens=[token("bob")], answer_timeout_ms=1_000, **options)
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
            ids = {f"vote-{number:06}": name for number, name in enumerate(proposals)}
            votes = [
                {
                    "id": id,
                    "type": "vote.cast",
                    "args": {"event": event, "proposal": name, "revision": 1},
                }
                for id, name in ids.items()
            ]
            # Near the end no vote may be on its way any more when the line breaks.
            broken = range(0, VOTES - 2 * BURST, BREAK_EVERY)
            line.loses = {f'"vote-{number:06}"'.encode() for number in broken[::2]}
            to_lose = len(line.loses)
            driver.order(do="commands", commands=votes)
            seqs = set()
            for count, id in enumerate(ids):
                told = await driver.expect({"told": "ack", "id": id, "$more": True}, memory)
                assert told["ack"]["applied"]
                seqs.add(told["ack"]["seq"])
                if count in broken[1::2]:
                    line.cut()
            # An answer may be missed where it comes in two pieces.
            assert len(line.loses) < to_lose / 2, "too few answers were lost"
            # A cut may meet a line that is broken already; acks arrive a moment later.
            assert line.opened > FEWEST
            # One step per vote: no vote is counted twice, and none is lost.
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
