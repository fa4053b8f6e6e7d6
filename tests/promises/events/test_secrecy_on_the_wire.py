"""Votes are secret on every wire: if two users exchange choices, others receive the same.

The same event is played twice, on two new databases, with the choices of two users exchanged.
Everything that the server sends to others must be the same both times: on sockets, streams and over
HTTP, to members, guests, admins, applicants and strangers, at the admin's door, in the published
journal and in the logs. Admins ask after each vote. Every preset of the page is played.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
import json
import logging
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import pytest

from server.cli import audit
from tests.parts import database
from tests.promises.client import PATIENCE, Client, Message
from tests.promises.events.test_entry import enter
from tests.promises.fold import fold
from tests.promises.http_caller import caller, events_of
from tests.promises.running import Running, running
from tests.server.admin.test_admin import TOKEN

#: Ten bots. The first two exchange their choices; the others record what they receive.
BOTS = [f"bot-{number}" for number in range(10)]
EXCHANGED = ("bot-0", "bot-1")
KINDS = ("assumption", "criterion", "conclusion")
THREE = ["agree", "against", "abstain"]
HALF = {"auto": True, "rule": "share", "share": "1/2", "more_than": True, "of": "votes"}
CLOSING = {"decide": "close", "ttl_seconds": 3_600}
#: Votes by bot and stance; ``None`` retracts. Two of these bots exchange what they choose.
SPOKEN: list[tuple[int, str | None]] = [
    *((0, "agree"), (1, "against"), (2, "agree"), (3, "abstain"), (4, "against"), (5, "agree")),
    *((0, "abstain"), (1, "agree")),
]
#: Votes that can only say agree: one of the two votes, and the other does not.
AGREED: list[tuple[int, str | None]] = [
    *((0, "agree"), (2, "agree"), (0, None), (3, None), (0, "agree"), (0, "agree"), (3, "agree")),
]
#: The bots' ballots, as numbers of options.
CHOSEN: list[list[int]] = [[0, 1], [2], [1, 0], [1], [0], [2, 1, 0]]


@dataclass(frozen=True)
class Case:
    """A policy, and how two users exchange what they choose."""

    policy: Message
    votes: list[tuple[int, str | None]] = field(default_factory=lambda: SPOKEN)
    exchange: Literal["choices", "people", "ballots"] = "choices"
    """Choices: each votes when they did, but says what the other said. People: each votes when the
    other did; of a tally that is shown, everybody learns how the next vote moves it. Ballots: the
    votes are named, and the same both times."""

    @property
    def method(self) -> str:
        """The method of the final ballot."""
        method: str = self.policy.get("ballot", {}).get("method", "single")
        return method

    def spoken(self, swapped: bool) -> list[tuple[int, str | None]]:
        """The votes, exchanged or not."""
        if not swapped or self.exchange == "ballots":
            return self.votes
        other = {0: 1, 1: 0}
        if self.exchange == "people":
            return [(other.get(bot, bot), stance) for bot, stance in self.votes]
        said = {bot: [stance for by, stance in self.votes if by == bot] for bot in other}
        return [
            (bot, said[other[bot]].pop(0) if bot in other else stance) for bot, stance in self.votes
        ]


#: The presets of `web/policy.js`, and two more policies.
CASES = {
    "open": Case({}, AGREED, "people"),
    "poll": Case({"guests": True}, AGREED, "people"),
    "motion": Case(
        dict.fromkeys(KINDS, HALF) | {"stances": THREE, **CLOSING, "votes": "named"},
        exchange="ballots",
    ),
    "consent": Case(
        dict.fromkeys(KINDS, HALF | {"share": "1/1", "more_than": False})
        | {"stances": THREE[:2], **CLOSING, "votes": "named", "proposer_votes": True},
        [(bot, stance) for bot, stance in SPOKEN if stance != "abstain"],
        exchange="ballots",
    ),
    "secret": Case({"tally": "close", "electorate": "opening"}, AGREED, "people"),
    "ranked": Case({"ballot": {"method": "ranked", "named": False}}, AGREED, "people"),
    "hidden stances": Case(
        dict.fromkeys(KINDS, HALF)
        | {"stances": THREE, **CLOSING, "tally": "close", "electorate": "opening"}
        | {"ballot": {"method": "approval", "named": False}}
    ),
    "shown stances": Case({"stances": THREE}, exchange="people"),
}
#: Values that differ each time: hashes, salts, digests, times, and the guest's id.
VARYING = re.compile(r"guest:[\w-]+|\b[0-9a-f]{16,128}\b|\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)")
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
PAGES = ("", "/journal?limit=200", "/proposals", "/members", "/comments", "/receipt")


class Told:
    """Everything that was sent, by receiver."""

    def __init__(self) -> None:
        self.by: defaultdict[str, list[str]] = defaultdict(list)
        self.raw: list[str] = []
        """All of it as it was sent, except to the two users themselves."""

    def add(self, who: str, what: object) -> None:
        """Record ``what``, and by receiver without the values that differ each time."""
        text = json.dumps(what, sort_keys=True, ensure_ascii=False)
        if who != "themselves":
            self.raw.append(text)
        self.by[who].append(VARYING.sub("~", text))


def sent(client: Client) -> list[Message]:
    """The messages of a socket, except those that depend on the clock."""
    clocked = ("heartbeat", "presence", "welcome")
    return [message for message in client.received if message["type"] not in clocked]


async def asked(server: Running, user: str, event: str, proposal: str, told: Told) -> None:
    """Every answer that ``user`` can get over HTTP."""
    async with caller(server, user) as http:
        lists = (f"/votes?proposal={proposal}", f"/turnout?proposal={proposal}")
        for page in (*PAGES, *lists):
            told.add(f"{user} GET {page}", (await http.get(f"/events/{event}{page}")).json())
        of_votes: list[Message] = [
            {"type": kind, "proposal": proposal} for kind in ("votes.list", "turnout.list")
        ]
        lowered: Message = {kind: {"threshold": 1} for kind in KINDS}
        preview: Message = {"type": "event.preview_policy", "policy": lowered}
        ids = [f"command-{number:03}" for number in range(100)]
        status: Message = {"type": "command.status", "ids": ids}
        for query in (*QUERIES, *of_votes, preview, status):
            body = query if query["type"] == "events.list" else query | {"event": event}
            told.add(f"{user} {query['type']}", (await http.post("/queries", json=body)).json())


async def watched(server: Running, event: str, proposal: str, case: Case, told: Told) -> None:
    """Record the answers that an admin gets after each vote."""
    pages = ["", "/journal?limit=200", "/turnout?ballot=1"]
    if case.policy.get("stances") is None or case.policy.get("tally") == "close":
        # Read after each vote, it shows who moved a live tally: docs/concepts.md says so.
        pages.append(f"/turnout?proposal={proposal}")
    async with caller(server, "ada") as http:
        for page in pages:
            told.add(f"ada after each {page}", (await http.get(f"/events/{event}{page}")).json())


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


async def play(url: str, case: Case, swapped: bool, told: Told) -> str:
    """Play the event; return the metrics."""
    async with running(url, admin_token=TOKEN, guests="on") as server:
        names = ("ada", "org", *BOTS, "gone", "asks", "strange")
        people = {user: await server.connect(user) for user in names}
        ada = people["ada"]
        numbers = itertools.count()
        watching: list[Client] = []

        async def do(by: str, type: str, /, **fields: Any) -> Message:
            # The journal shows ids, so those of secret votes name nobody.
            ack = await people[by].ack(type, id=f"command-{next(numbers):03}", **fields)
            for client in watching:
                await client.room(event).reached(ack["seq"])
            return ack

        created = await ada.result(
            "event.create",
            id="the-event",
            subject="s",
            policy={"guests": True} | case.policy,
            options=["a", "b", "c"],
            entrance_code="ABCDEF",
        )
        event = created["event"]
        guest, entered = await enter(server, "/guests", {"code": "ABCDEF", "name": "guest"})
        people["guest"] = guest
        for user in ("org", *BOTS, "gone", "guest"):
            await do(user, "membership.join", code="ABCDEF")
            known = entered["user"] if user == "guest" else user
            await do("ada", "membership.approve", event=event, user=known)
        await do("asks", "membership.join", code="ABCDEF")
        await do("ada", "membership.set_role", event=event, user="org", role="organiser")
        await do("ada", "membership.remove", event=event, user="gone")
        await do("ada", "event.start", event=event)
        for user in ("ada", "org", *BOTS, "guest", "asks"):
            await people[user].subscribe(event)
            watching.append(people[user])
        streams: dict[str, list[Message]] = {"bot-9": [], "org": [], "asks": []}

        async def read(user: str) -> None:
            async with (
                caller(server, user) as http,
                http.stream("GET", f"/events/{event}/stream", timeout=None) as lines,
            ):
                async for _, message in events_of(lines):
                    streams[user].append(message)

        reading = [asyncio.create_task(read(user)) for user in streams]
        options = ada.room(event).state["options"]
        ordered = sorted(options, key=lambda option: options[option]["position"])
        proposal = (
            await do("ada", "proposal.create", event=event, kind="assumption", category="create",
                     content="motion")
        )["result"]["proposal"]  # fmt: skip
        about = {"event": event, "proposal": proposal}
        for voter, stance in case.spoken(swapped):
            if ada.room(event).state["proposals"][proposal]["status"] != "pending":
                break
            said: Message = {"revision": 1, "stance": stance} if stance else {}
            await do(BOTS[voter], "vote.cast" if stance else "vote.retract", **about, **said)
            await watched(server, event, proposal, case, told)
        chosen = list(CHOSEN)
        if swapped:
            chosen[:2] = reversed(chosen[:2])
        for bot, numbers_of in zip(BOTS, chosen, strict=False):
            choice = [ordered[number] for number in numbers_of]
            ballot: Message = (
                {"option": choice[0]} if case.method == "single" else {"options": choice}
            )
            await do(bot, "ballot.submit", event=event, criteria_rev=1, **ballot)
            await watched(server, event, proposal, case, told)
        # A ballot that is cleared and submitted again shows no more.
        for bot in EXCHANGED:
            await do(bot, "ballot.clear", event=event)
            mine = ordered[chosen[BOTS.index(bot)][0]]
            again: Message = {"option": mine} if case.method == "single" else {"options": [mine]}
            await do(bot, "ballot.submit", event=event, criteria_rev=1, **again)
        readers = ("ada", "org", *BOTS[2:4], "gone", "asks", "strange")
        for user in readers:
            await asked(server, user, event, proposal, told)
        if ada.room(event).state["proposals"][proposal]["status"] == "pending":
            if case.policy.get("decide") == "close":
                await lapse(server, proposal)
                await ada.until(
                    lambda: ada.room(event).state["proposals"][proposal]["status"] != "pending",
                    "the close",
                )
            else:
                await do("ada", "proposal.accept", event=event, proposal=proposal)
        await do("ada", "event.finish", event=event)
        # What they vote after the close is answered to them alone.
        for bot in EXCHANGED:
            late = await people[bot].send("vote.cast", **about, revision=1)
            assert late["type"] == "error"
        for user in readers:
            await asked(server, user, event, proposal, told)
        await at_the_door(server, event, told)
        lines: list[str] = []
        await audit.export(server.node.database, event, public=True, write=lines.append)
        told.add("export", [json.loads(line) for line in lines])
        for user in (*readers, "guest", *BOTS[4:]):
            for message in sent(people[user]):
                told.add(f"{user} socket", message)
        for user in EXCHANGED:
            told.add("themselves", sent(people[user]))
        last = ada.room(event).seq
        async with asyncio.timeout(PATIENCE):
            while not all(
                any(message.get("seq") == last for message in stream) for stream in streams.values()
            ):
                await asyncio.sleep(0.05)
        for task in reading:
            task.cancel()
        for user, stream in streams.items():
            told.add(f"{user} stream", functools.reduce(fold, patches_of(stream), {}))
        async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
            metrics = (await http.get(f"{server.base}/metrics")).text
    return metrics


def patches_of(stream: list[Message]) -> list[Message]:
    """Messages that changed the state; the steps of one diff depend on the speed of reading."""
    return [message.get("state") or message.get("patch") or {} for message in stream]


def guessable(raw: list[str]) -> list[str]:
    """Texts of secret lines whose digests can be made with a salt or a hash that others have."""
    known = set(re.findall(r"\b[0-9a-f]{32}\b", " ".join(raw))) | {""}
    hashes = set(re.findall(r"\b[0-9a-f]{64}\b", " ".join(raw)))
    salts = [bytes.fromhex(salt) for salt in known] + [bytes.fromhex(one)[:16] for one in hashes]
    return [
        user
        for user in EXCHANGED
        for salt in salts
        if hashlib.sha256(salt + b"user\0" + user.encode()).hexdigest() in hashes
    ]


@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_others_hear_the_same_if_two_exchange_their_choices(
    postgres_url: str, template: str, case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="ayes")
    both = []
    for swapped in (False, True):
        told = Told()
        with database(postgres_url, template) as url:
            metrics = await play(url, case, swapped, told)
        both.append(told.by)
        assert not [bot for bot in BOTS if bot in metrics]
        assert not guessable(told.raw)
    one, other = both
    assert one.keys() == other.keys()
    # Only the two users know their choices, so this test would find a leak.
    assert one.pop("themselves") != other.pop("themselves")
    for who in one:
        assert one[who] == other[who], who
    words = re.compile(r"\b(agree|against|abstain|o_[a-z2-7]{16})\b")
    logged = [record.getMessage() + str(record.__dict__) for record in caplog.records]
    assert not [line for line in logged if "bot-" in line and words.search(line)]
