"""A system and the model side by side: the same steps, the same answers, the same states."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from tests.model.choice import Choice
from tests.model.deciding import Answer
from tests.model.difference import answer_differs, difference
from tests.model.ids import given_ids
from tests.model.reference import Model
from tests.model.system import System

Json = dict[str, Any]

USERS = ("ada", "bob", "cid", "dot", "eve", "fay")
WORDS = ("a", "b", "c")
THREE = ["agree", "against", "abstain"]
SMALL_LIMITS = {
    "options": 3,
    "assumptions": 3,
    "criteria": 3,
    "pending": 5,
    "pending_each": 3,
    "withdrawn_each": 2,
    "shown_proposals": 3,
    "shown_comments": 2,
    "shown_members": 2,
    "requests": 0,
    "shown_requests": 2,
    "shown_invitations": 2,
}
COMPARE_EVERY = 8


#: An argument that is sent as ``null``; an argument that is ``None`` is left out.
NULL = "null"


def always(machine: Machine) -> bool:
    return True


def has_proposals(machine: Machine) -> bool:
    return bool(machine.model.proposals)


Step = Callable[[Any, Choice], None]
#: Every step, with the condition under which it can be taken.
STEPS: list[tuple[Step, Callable[[Any], bool]]] = []


def rule(*, when: Callable[[Any], bool] = always) -> Callable[[Step], Step]:
    """Mark a step of the machine."""

    def mark(step: Step) -> Step:
        STEPS.append((step, when))
        return step

    return mark


class Machine:
    """Subclasses give ``system_of``."""

    system_of: ClassVar[Callable[..., System]]

    @classmethod
    def play(cls, drawn: Sequence[bytes]) -> None:
        """One run. The first drawn bytes choose its kinds of steps, so that runs differ."""
        c = Choice(drawn[0])
        count = len(STEPS) - c.of(range(len(STEPS)))
        chosen = random.Random(c.number).sample(STEPS, count)
        machine = cls()
        machine.begin(Choice(drawn[1]))
        for one in drawn[2:]:
            if can := [step for step, when in chosen if when(machine)]:
                c = Choice(one)
                c.of(can)(machine, c)
        machine.end()

    def __init__(self) -> None:
        self.script: list[tuple[str, Json]] = []
        self.commands = 0
        self.until: float | None = None
        """Seconds after the last command in which the next ones are wanted, if given."""

    # --- one step, on both sides

    def send(
        self, user: str, kind: str, /, *, id: str | None = None, **arguments: Any
    ) -> Json | None:
        """Have both decide a command, and compare the answers."""
        self.commands += 1
        command = {"type": kind, "id": id or f"command-{self.commands}"} | {
            name: None if value is NULL else value
            for name, value in arguments.items()
            if value is not None
        }
        if self.until is not None and user:
            moment = self.system.decided_at() + timedelta(seconds=self.until)
            command.setdefault("not_after", moment.isoformat())
        if kind not in ("event.create", "membership.join"):
            command["event"] = self.model.event["id"]
        self.script.append((user, command))
        name = user.title() + "+" * (self.commands % 5 == 0)  # names change
        repeated = (user, command["id"]) in self.model.answers
        got = self.system.execute(user, name, command)
        self.follow(user, name, command, got, repeated)
        if self.commands % COMPARE_EVERY == 0:
            self.compare()
        return got

    def follow(self, user: str, name: str, command: Json, got: Json | None, repeated: bool) -> None:
        for step, at, ack in self.system.own_steps() or ():
            self.expect(self.apply("", "", step, at, ack), ack)
        expected = self.apply(user, name, command, self.system.decided_at(), got)
        self.expect(expected, got)
        if got and got["type"] == "ack":
            assert got["replayed"] == repeated, self.story(f"replayed is {got['replayed']}")
            if not repeated:
                assert got["seq"] == self.model.seq, self.story(f"seq should be {self.model.seq}")

    def apply(self, user: str, name: str, command: Json, at: datetime, got: Json | None) -> Answer:
        result = (got or {}).get("result") or {}
        ids = given_ids(self.model, result, lambda: self.system.state("member"))
        try:
            return self.model.apply(user, name, command, at, ids=ids)
        except ValueError as err:  # nothing new to be found
            raise AssertionError(self.story(f"{got}, but nothing was made: {err}")) from err

    def expect(self, expected: Answer, got: Json | None) -> None:
        if got is None or expected[1].get("code") == "not_due":
            same = got is None and expected[1].get("code") == "not_due"
            assert same, self.story(f"{got}, should be {expected}")
            return
        keys = ("applied", "result") if got["type"] == "ack" else ("code", "details")
        differs = answer_differs(expected, (got["type"], {key: got[key] for key in keys}))
        assert not differs, self.story(differs)

    def compare(self) -> None:
        for audience in ("admin", "member", "applicant"):
            differs = difference(self.model.state(audience), self.system.state(audience))
            assert not differs, self.story(f"state for {audience}: {differs}")
        for user in self.model.members:
            differs = difference(self.model.you(user), self.system.you(user))
            assert not differs, self.story(f"you of {user}: {differs}")

    def story(self, what: str) -> str:
        lines = [f"  {user or 'timer'}: {json.dumps(command)}" for user, command in self.script]
        return "\n".join([*lines, what])

    def end(self) -> None:
        self.compare()

    # --- the beginning

    def begin(self, c: Choice) -> None:
        limits = SMALL_LIMITS if c.one_in(2) else {}
        self.model = Model(**limits)
        self.begun_with = self.model.limits
        self.system = type(self).system_of(**limits)
        policy = self.whole(self.a_policy(c))
        if c.of((True, True, False)):
            policy["membership_auto"] = True
        self.send(
            "ada",
            "event.create",
            subject="s",
            policy=policy,
            max_members=c.of((100, 4, 3)),
            options=list(WORDS[: c.of((2, 1))]),
            assumptions=list(WORDS[: c.of((1, 2, 0))]),
            criteria=list(WORDS[: c.of((2, 1, 3, 0))]),
            entrance_code="AAAAAA",
            starts_at=self.a_time(c, (5, 20)) if c.one_in(6) else None,
            ends_at=self.a_time(c, (25, 40)) if c.one_in(4) else None,
            **({"as": "organiser"} if c.one_in(6) else {}),
        )
        for user in USERS[1 : c.of((4, 3, 5, 2, 1))]:
            self.send(user, "membership.join", code="AAAAAA")
        if not policy.get("membership_auto") and c.of((True, True, True, False)):
            self.send("ada", "membership.approve_all")
        if c.of((True, True, True, True, False)):
            self.send("ada", "event.start")

    def a_policy(self, c: Choice) -> Json:
        """A patch of the policy; fields that are not drawn stay."""
        policy: Json = {}
        for kind in ("assumption", "criterion", "conclusion"):
            if c.of((True, True, False)):
                rule = c.of(("count", "percent", "share"))
                if rule == "share":
                    policy[kind] = self.a_share(c)
                else:
                    thresholds = (1, 2, 3) if rule == "count" else (50, 100, 1, 34, 58)
                    policy[kind] = {"rule": rule, "threshold": c.of(thresholds)}
            if c.one_in(8):
                policy.setdefault(kind, {})["auto"] = c.of((False, True))
        for name, values in (
            ("proposer_votes", (True, False)),
            ("guests", (True, False)),
            ("quorum_percent", (50, 100, 75)),
            ("min_open_seconds", (10, 0)),
            ("ttl_seconds", (20, 0)),
        ):
            if c.one_in(3):
                policy[name] = c.of(values)
        if c.one_in(3):
            policy["ballot"] = {"method": c.of(("ranked", "approval", "ranked", "single"))}
            if c.one_in(3):
                policy["ballot"]["named"] = c.of((True, False))
        return policy | self.some_terms(c)

    def whole(self, policy: Json) -> Json:
        """The same with the fields that its fields depend on."""
        rules = [one for one in policy.values() if isinstance(one, dict)]
        for one in rules:
            if one.get("share") == "1/1":
                one["more_than"] = False
        if any(one.get("of") == "votes" for one in rules):
            policy["decide"] = "close"
        return policy | ({"ttl_seconds": 20} if policy.get("decide") == "close" else {})

    def a_share(self, c: Choice) -> Json:
        rule: Json = {"rule": "share", "share": c.of(("1/2", "2/3", "1/1", "1/3", "999/1000"))}
        if c.of((True, False)):
            rule["more_than"] = c.of((True, False, None))
        if c.of((True, False)):
            rule["of"] = c.of(("votes", "votes", "members", None))
        return rule

    def some_terms(self, c: Choice) -> Json:
        """Usually the defaults; ``decide`` usually with the fields that it needs."""
        terms: Json = {}
        for name, values in (
            ("stances", (THREE, THREE, THREE[:2], THREE[:1], None)),
            ("tally", ("close", "live", None)),
            ("votes", ("named", "secret")),
            ("electorate", ("opening", "opening", "now")),
        ):
            if c.one_in(3):
                terms[name] = c.of(values)
        if c.one_in(3):
            terms["decide"] = c.of(("close", "close", "close", "reached", None))
        return terms

    def a_time(self, c: Choice, seconds: tuple[float, ...] = (20, 5, 40, 20.5, 10, 0, -1)) -> str:
        """A time for a schedule; seldom a past one."""
        return (self.system.decided_at() + timedelta(seconds=c.of(seconds))).isoformat()

    # --- choosing from the state

    def somebody(self, c: Choice) -> str:
        """Usually a member."""
        return c.of((*sorted(self.model.eligible()) * 4, *USERS))

    def an_admin(self, c: Choice) -> str:
        return c.of((*sorted(self.model.admins()) * 12, *USERS))

    def a_proposal(self, c: Choice) -> str:
        pending = [str(row["id"]) for row in self.model.pending()]
        return c.of([*pending * 4, *list(self.model.proposals)[-4:], "nothing"])

    def an_item(self, c: Choice, kind: str) -> str:
        return c.of([*self.model.live(kind) * 5, *list(self.model.items)[-3:], "nothing"])

    def version_of(self, c: Choice, row: Json | None, field: str = "version") -> int:
        held = (row or {}).get(field)
        return int(held or 0) + c.of((0,) * 7 + (1,)) - c.of((0,) * 7 + (bool(held),))
