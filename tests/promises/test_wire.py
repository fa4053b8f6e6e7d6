"""Votes are secret on every wire: if two users exchange choices, others receive the same.

The same event is played twice, on two new databases, with the choices of two users exchanged.
Everything that the server sends to others must be the same both times: on sockets, streams and over
HTTP, to members, admins and strangers, at the admin's door, in the published journal and in the
logs.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import logging
import re
from collections import defaultdict
from typing import Any

import httpx
import pytest

from server.cli import audit
from tests.parts import database
from tests.promises.client import PATIENCE, Client, Message
from tests.promises.fold import fold
from tests.promises.http_caller import caller, events_of
from tests.promises.running import Running, running
from tests.server.admin.test_admin import TOKEN

#: Ten bots. The first two exchange their choices; the others record what they receive.
BOTS = [f"bot-{number}" for number in range(10)]
EXCHANGED = ("bot-0", "bot-1")
#: The bots' choices, before and after the exchange: a stance, and the numbers of options.
CHOICES: list[tuple[str, list[int]]] = [
    ("agree", [0, 1]),
    ("against", [2]),
    ("agree", [1, 0]),
    ("abstain", [1]),
    ("against", [0]),
    ("agree", [2, 1, 0]),
]
HALF = {"auto": True, "rule": "share", "share": "1/2", "more_than": True, "of": "votes"}
POLICY = {
    "membership_auto": True,
    **dict.fromkeys(("assumption", "criterion", "conclusion"), HALF),
    "stances": ["agree", "against", "abstain"],
    "decide": "close",
    "ttl_seconds": 3_600,
    "tally": "close",
    "electorate": "opening",
}
#: Values that differ each time: hashes, salts, digests, and times.
VARYING = re.compile(r"\b[0-9a-f]{16,128}\b|\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)")
QUERIES: tuple[Message, ...] = (
    {"type": "events.list"},
    {"type": "turnout.list", "ballot": True},
    {"type": "ballots.list"},
    {"type": "comments.list"},
    {"type": "proposals.list"},
    {"type": "members.list"},
    {"type": "requests.list"},
    {"type": "invitations.list"},
    {"type": "ballot.receipt"},
)
PAGES = ("", "/journal?limit=200", "/proposals", "/members", "/comments")


class Told:
    """Everything that was sent, by receiver."""

    def __init__(self) -> None:
        self.by: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, who: str, what: object) -> None:
        """Record ``what`` without the values that differ each time."""
        text = json.dumps(what, sort_keys=True, ensure_ascii=False)
        self.by[who].append(VARYING.sub("~", text))


def sent(client: Client) -> list[Message]:
    """The messages of a socket, except those that depend on the clock."""
    clocked = ("heartbeat", "presence", "welcome")
    return [message for message in client.received if message["type"] not in clocked]


async def asked(server: Running, user: str, event: str, proposal: str, told: Told) -> None:
    """Every answer that ``user`` can get over HTTP."""
    async with caller(server, user) as http:
        for page in PAGES:
            told.add(f"{user} GET {page}", (await http.get(f"/events/{event}{page}")).json())
        of_votes: list[Message] = [
            {"type": kind, "proposal": proposal} for kind in ("votes.list", "turnout.list")
        ]
        for query in (*QUERIES, *of_votes):
            body = query if query["type"] == "events.list" else query | {"event": event}
            told.add(f"{user} {query['type']}", (await http.post("/queries", json=body)).json())


async def at_the_door(server: Running, event: str, told: Told) -> None:
    """Record the operator's pages and answers."""
    base = f"http://127.0.0.1:{server.port}/v1/admin/"
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        base_url=base, headers=headers, timeout=PATIENCE, trust_env=False
    ) as http:
        for path in (f"events/{event}", "events", "users/bot-0", "users/bot-1", "rooms"):
            answer = (await http.get(path)).json()
            # Seconds and bytes differ each time, and no choice is a number.
            told.add(f"door {path}", re.sub(r"[0-9.]+", "~", VARYING.sub("~", str(answer))))


async def lapse(server: Running, proposal: str) -> None:
    """End a proposal's time."""
    async with server.node.database.connection() as link:
        await link.execute("UPDATE proposals SET expires_at = now() WHERE id = $1", proposal)
    for lane in server.node.lanes._lanes.values():
        lane.state = None  # as if another node had moved the event


async def play(url: str, method: str, swapped: bool, told: Told) -> str:
    """Play the event; return the metrics."""
    choices = list(CHOICES)
    if swapped:
        choices[:2] = reversed(choices[:2])
    async with running(url, admin_token=TOKEN) as server:
        people = {user: await server.connect(user) for user in ("ada", "org", *BOTS, "strange")}
        ada = people["ada"]

        async def do(by: str, type: str, /, **fields: Any) -> Message:
            ack = await people[by].ack(type, id=f"command-{next(numbers)}", **fields)
            for client in watching:
                await client.room(event).reached(ack["seq"])
            return ack

        numbers = itertools.count()
        watching: list[Client] = []
        created = await ada.result(
            "event.create",
            id="the-event",
            subject="s",
            policy=POLICY | {"ballot": {"method": method}},
            options=["a", "b", "c"],
            entrance_code="ABCDEF",
        )
        event = created["event"]
        for user in ("org", *BOTS):
            await do(user, "membership.join", code="ABCDEF")
        await do("ada", "membership.set_role", event=event, user="org", role="organiser")
        await do("ada", "event.start", event=event)
        for user in ("ada", "org", *BOTS):
            await people[user].subscribe(event)
            watching.append(people[user])
        stream: list[Message] = []

        async def read() -> None:
            async with (
                caller(server, "bot-9") as http,
                http.stream("GET", f"/events/{event}/stream", timeout=None) as lines,
            ):
                async for _, message in events_of(lines):
                    stream.append(message)

        reading = asyncio.create_task(read())
        options = ada.room(event).state["options"]
        ordered = sorted(options, key=lambda option: options[option]["position"])
        proposal = (
            await do("ada", "proposal.create", event=event, kind="assumption", category="create",
                     content="motion")
        )["result"]["proposal"]  # fmt: skip
        for bot, (stance, _) in zip(BOTS, choices, strict=False):
            await do(bot, "vote.cast", event=event, proposal=proposal, revision=1, stance=stance)
        for bot, (_, chosen) in zip(BOTS, choices, strict=False):
            names = [ordered[number] for number in chosen]
            choice: Message = {"option": names[0]} if method == "single" else {"options": names}
            await do(bot, "ballot.submit", event=event, criteria_rev=1, **choice)
        readers = ("ada", "org", *BOTS[2:], "strange")
        for user in readers:
            await asked(server, user, event, proposal, told)
        await lapse(server, proposal)
        await ada.until(
            lambda: ada.room(event).state["proposals"][proposal]["status"] != "pending", "the close"
        )
        await do("ada", "event.finish", event=event)
        for user in readers:
            await asked(server, user, event, proposal, told)
        await at_the_door(server, event, told)
        lines: list[str] = []
        await audit.export(server.node.database, event, public=True, write=lines.append)
        told.add("export", lines)
        for user in readers:
            for message in sent(people[user]):
                told.add(f"{user} socket", message)
        for user in EXCHANGED:
            told.add("themselves", sent(people[user]))
        last = ada.room(event).seq
        async with asyncio.timeout(PATIENCE):
            while not any(message.get("seq") == last for message in stream):
                await asyncio.sleep(0.05)
        reading.cancel()
        told.add("stream", functools.reduce(fold, patches_of(stream), {}))
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
            metrics = (await http.get(f"{server.base}/metrics")).text
    return metrics


def patches_of(stream: list[Message]) -> list[Message]:
    """Messages that changed the state; the steps of one diff depend on the speed of reading."""
    return [message.get("state") or message.get("patch") or {} for message in stream]


@pytest.mark.parametrize("method", ["single", "ranked"])
async def test_others_hear_the_same_if_two_exchange_their_choices(
    postgres_url: str, template: str, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="ayes")
    both = []
    for swapped in (False, True):
        told = Told()
        with database(postgres_url, template) as url:
            metrics = await play(url, method, swapped, told)
        both.append(told.by)
        assert not [bot for bot in BOTS if bot in metrics]
    one, other = both
    assert one.keys() == other.keys()
    # Only the two users know their choices, so this test would find a leak.
    assert one.pop("themselves") != other.pop("themselves")
    for who in one:
        assert one[who] == other[who], who
    words = re.compile(r"\b(agree|against|abstain|o_[a-z2-7]{16})\b")
    logged = [record.getMessage() + str(record.__dict__) for record in caplog.records]
    assert not [line for line in logged if "bot-" in line and words.search(line)]
