"""A tally counts the user's own vote exactly once, at every moment, by the server's rules."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any, cast

import pytest

from ayes_client import Client, Room
from ayes_client._rooms.counting import needed, tally_of
from ayes_client._rooms.view import RoomView
from ayes_client.command import Command
from ayes_client.errors import NotFound
from ayes_client.state import State, You
from handlers.rules.auto_acceptance import enough
from protocol.policy import KindPolicy
from tests.clients.python.conftest import Connect, gathering, proposal

_RULE = {"auto": True, "rule": "share", "share": "1/2", "more_than": True, "of": "votes"}
_POLICY = {"assumption": _RULE, "quorum_percent": 50}


def shown(**fields: Any) -> dict[str, Any]:
    return {
        "proposals": {
            "p1": {"kind": "assumption", "status": "pending", "revision": 3, "agree": 0} | fields
        },
        "event": {"policy": _POLICY},
        "counts": {"members": 5},
    }


class Meeting:
    """A room of a client without a connection, to which the test gives messages in any order."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.client = Client("http://127.0.0.1:1", "x")
        self.view: RoomView = self.client._rooms.add("e1", self.client)
        self.room: Room = self.client._rooms.rooms["e1"]
        self.others = 2
        self.seq = 1
        you = {"membership": {"status": "accepted"}, "votes": {}}
        state = shown(agree=self.others)
        self.view.apply({"type": "snapshot", "epoch": "x", "seq": 1, "state": state, "you": you})
        self.wanted = False
        self.decided = False
        self.seen: set[tuple[int | None, bool]] = set()

    def look(self, _: object = None) -> None:
        """Every shown count equals the count before the vote or the one after it, as expected."""
        tally = self.room.tally("p1")
        assert (tally.mine == "agree") is self.wanted
        assert tally.agree == self.others_shown() + self.wanted
        self.seen.add((tally.agree, tally.sending))

    def others_shown(self) -> int:
        held = self.room.state["proposals"]["p1"]
        return held["agree"] - ("p1" in self.room.you["votes"])

    def give(self) -> Command:
        self.wanted = not self.wanted
        kind, args = ("vote.cast", {"revision": 3}) if self.wanted else ("vote.retract", {})
        command = Command(type=kind, event="e1", args={"proposal": "p1"} | args)
        self.client._commands.add(command, kept=True)
        self.look()
        return command

    def steps(self, command: Command) -> list[list[dict[str, Any]]]:
        """The ack of ``command``, with ``you`` and the diff, in any order."""
        self.decided = not self.decided
        own = {"votes": {"p1": 3 if self.decided else None}}
        told = [{"type": "you", "event": "e1", "seq": self.seq + 1, "patch": own}]
        if self.rng.random() < 0.3:
            # Another member's vote is in the same step.
            self.others += self.rng.choice((1, -1)) if self.others else 1
        first, self.seq = self.seq, self.seq + self.rng.choice((1, 1, 2))
        told[0]["seq"] = self.seq
        patch = {"proposals": {"p1": {"agree": self.others + self.decided}}}
        diff = {"type": "diff", "epoch": "x", "from": first, "seq": self.seq, "patch": patch}
        ack = {"id": command.id, "event": "e1", "seq": self.seq, "hash": "", "applied": True}
        return [[ack | {"type": "ack", "replayed": False, "result": {}}], [*told, diff]]

    def play(self, queues: list[list[dict[str, Any]]]) -> None:
        while queues := [queue for queue in queues if queue]:
            message = self.rng.choice(queues).pop(0)
            if message["type"] == "ack":
                self.client._commands.on_ack(message)
            else:
                assert not self.view.apply(message)
            self.look()


async def test_no_observer_ever_sees_a_count_that_never_was() -> None:
    """A thousand orders of acks, diffs and ``you``, with votes sent in between."""
    seen = set()
    for seed in range(1_000):
        meeting = Meeting(random.Random(seed))
        for name in ("change", "you", "presence"):
            meeting.view.callbacks.add(name, meeting.look)
        meeting.client.on("pending", meeting.look)
        acks: list[dict[str, Any]] = []
        room: list[dict[str, Any]] = []
        for _ in range(meeting.rng.randrange(1, 5)):
            ack, told = meeting.steps(meeting.give())
            acks += ack
            room += told
            if meeting.rng.random() < 0.5:
                meeting.play([acks, room])
        meeting.play([acks, room])
        assert meeting.client.pending == []
        assert not meeting.room.tally("p1").sending
        seen |= meeting.seen
    assert {sending for _, sending in seen} == {True, False}


async def test_a_command_is_pending_until_its_room_shows_it() -> None:
    meeting = Meeting(random.Random(1))
    command = meeting.give()
    ack, told = meeting.steps(command)
    meeting.play([ack])
    assert meeting.client.waiting() == []
    assert [(found.id, found.seq) for found in meeting.room.pending] == [(command.id, meeting.seq)]
    assert (
        not await meeting.client.take_back(command.id)
        if meeting.client._pending.loaded.is_set()
        else True
    )
    meeting.play([told])
    assert meeting.client.pending == []


@pytest.mark.parametrize("end", ["closed", "another history", "refused"])
async def test_a_vote_that_will_never_be_shown_is_pending_no_longer(end: str) -> None:
    meeting = Meeting(random.Random(1))
    command = meeting.give()
    ack, _ = meeting.steps(command)
    if end == "refused":
        refusal = {"id": command.id, "code": "not_eligible", "message": "", "details": {}}
        meeting.client._commands.on_error(refusal | {"effect": "none", "retry": "no"}, 0.0)
    else:
        meeting.play([ack])
    if end == "closed":
        meeting.view.close("left", None)
    elif end == "another history":
        you = {"membership": {"status": "accepted"}, "votes": {}}
        whole = {"type": "snapshot", "epoch": "y", "seq": 1, "state": shown(agree=2), "you": you}
        meeting.view.apply(whole)
    assert meeting.client.pending == []
    assert meeting.room.tally("p1").agree == 2


@pytest.mark.parametrize("rule", ["count", "percent", "share", "more than the share"])
@pytest.mark.parametrize("of_votes", [False, True])
def test_the_number_needed_is_the_servers(rule: str, of_votes: bool) -> None:
    is_share = "share" in rule
    for number in range(1, 11):
        fields: dict[str, Any] = {"rule": rule, "threshold": number * 10}
        if is_share:
            more = "more" in rule and number < 10
            fields = {"rule": "share", "share": f"{number}/10", "more_than": more}
        known = KindPolicy(auto=True, **fields)
        for eligible in range(1, 14):
            for against in range(eligible) if is_share and of_votes else (0,):
                found = needed(fields, eligible=eligible, against=against, of_votes=of_votes)
                passing = (
                    agree
                    for agree in range(1, 201)
                    if enough(
                        known,
                        agree=agree,
                        eligible=agree + against if is_share and of_votes else eligible,
                    )
                )
                assert found == next(passing, None), (fields, eligible, against)


def tally(state: dict[str, Any], **you: Any) -> Any:
    return tally_of("p1", cast(State, state), cast(You, {"votes": {}} | you), [])


def test_a_hidden_tally_says_so_and_counts_nothing() -> None:
    terms = {"tally": "close", "stances": ["agree", "against"], "decide": "close"}
    state = shown(terms=terms, voters=3)
    del state["proposals"]["p1"]["agree"]
    found = tally(state, votes={"p1": 3}, stances={"p1": "against"})
    assert (found.agree, found.against, found.abstain, found.hidden) == (None, None, None, True)
    assert (found.mine, found.voters, found.quorum, found.needed) == ("against", 3, 3, None)
    assert found.stances == ("agree", "against")
    assert found.outcome is None


def test_a_decided_proposal_has_the_counts_of_its_decision() -> None:
    decision = {"agree": 4, "against": 1, "eligible": 9, **_RULE}
    found = tally(shown(status="accepted", resolution="auto_votes", decision=decision, agree=4))
    assert (found.agree, found.against, found.abstain, found.eligible) == (4, 1, 0, 9)
    assert (found.needed, found.quorum, found.outcome.carried, found.outcome.how) == (
        2,
        None,
        True,
        "auto_votes",
    )
    assert (found.outcome.agree, found.outcome.by) == (4, None)


def test_votes_against_raise_what_is_needed_of_the_votes() -> None:
    for against in range(5):
        state = shown(against=against, terms={"decide": "close", "stances": ["agree", "against"]})
        least = tally(state).needed
        assert Fraction(least, least + against) > Fraction(1, 2)
        assert least == 1 or Fraction(least - 1, least - 1 + against) <= Fraction(1, 2)


async def test_a_real_vote_is_counted_once_from_its_first_moment(connect: Connect) -> None:
    room = await gathering(await connect())
    wanted = await proposal(room)
    seen = set()
    room.on("change", lambda _: seen.add(room.tally(wanted).agree))
    room._sender.on("pending", lambda _: seen.add(room.tally(wanted).agree))  # type: ignore[attr-defined]
    ack = await room.vote(wanted)
    assert room.tally(wanted).mine == "agree"
    await room.reached(ack.seq)
    assert seen == {1}
    with pytest.raises(NotFound):
        room.tally("p_nope")
