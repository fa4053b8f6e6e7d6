"""Random steps drive a system and the model side by side, by every command there is.

Few users, few texts, small limits, so that commands interact. Ids repeat, revisions and versions
are often old, strangers try everything. Every answer is compared, the states every few steps and at
the end. A failure is made smaller, and shows the commands themselves.

Hypothesis is not used: with its own choices a step took three times as long, and many of its runs
were nearly the same.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from persistence.event.limits import RULES
from tests.model.choice import Choice
from tests.model.deciding import Answer
from tests.model.difference import answer_differs, difference
from tests.model.ids import given_ids
from tests.model.reference import Model
from tests.model.rows import LIMIT_NAMES
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


def always(machine: EventMachine) -> bool:
    return True


def has_proposals(machine: EventMachine) -> bool:
    return bool(machine.model.proposals)


Step = Callable[["EventMachine", Choice], None]
#: Every step, with the condition under which it can be taken.
STEPS: list[tuple[Step, Callable[[EventMachine], bool]]] = []


def rule(*, when: Callable[[EventMachine], bool] = always) -> Callable[[Step], Step]:
    """Mark a step of the machine."""

    def mark(step: Step) -> Step:
        STEPS.append((step, when))
        return step

    return mark


class EventMachine:
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

    # --- proposals and votes

    @rule(when=has_proposals)
    def vote(self, c: Choice) -> None:
        user, id = self.somebody(c), self.a_proposal(c)
        row = self.model.proposals.get(id)
        revision = self.version_of(c, row, "revision")
        self.send(user, "vote.cast", proposal=id, revision=revision, stance=self.a_stance(c, row))

    def a_stance(self, c: Choice, row: Json | None) -> str | None:
        """Usually a stance that the proposal permits."""
        allowed = self.model.terms(row)["stances"] if row else THREE
        stance: str | None = c.of((*[*allowed, None] * 3, *THREE))
        return stance

    @rule(when=has_proposals)
    def vote_in_turn(self, c: Choice) -> None:
        id = self.a_proposal(c)
        row = self.model.proposals.get(id)
        for user in sorted(self.model.eligible())[: 1 + c.of(range(4))]:
            stance = self.a_stance(c, row) if c.one_in(3) else None
            revision = row["revision"] if row else 1
            self.send(user, "vote.cast", proposal=id, revision=revision, stance=stance)

    @rule(when=has_proposals)
    def retract(self, c: Choice) -> None:
        self.send(self.somebody(c), "vote.retract", proposal=self.a_proposal(c))

    @rule(when=has_proposals)
    def waver(self, c: Choice) -> None:
        """Vote, retract, perhaps leave and return, perhaps vote again."""
        user, id = self.somebody(c), self.a_proposal(c)
        row = self.model.proposals.get(id)
        vote: Json = {"proposal": id, "revision": row["revision"] if row else 1}
        self.send(user, "vote.cast", **vote)
        if c.one_in(2):
            self.send(user, "vote.retract", proposal=id)
        if c.one_in(3):
            self.send(user, "membership.leave")
            self.send(user, "membership.join", code=self.model.codes[-1])
            self.send(self.an_admin(c), "membership.approve", user=user)
        if c.one_in(2):
            self.send(user, "vote.cast", **vote, stance=self.a_stance(c, row))

    @rule()
    def propose(self, c: Choice) -> None:
        kind = c.of(("assumption", "criterion", "conclusion"))
        category = c.of(("update", "create", "delete"))
        self.a_new_proposal(c, kind, category)

    @rule()
    def propose_a_conclusion(self, c: Choice) -> None:
        self.a_new_proposal(c, "conclusion", c.of(("create", "create", "update", "delete")))

    @rule()
    def propose_rivals(self, c: Choice) -> None:
        """Two or three proposals about one record, so that accepting one makes the others stale."""
        kind = c.of(("assumption", "criterion"))
        id = self.an_item(c, kind)
        version = self.model.items[id]["version"] if id in self.model.items else 1
        for user in sorted(self.model.eligible())[: c.of((2, 3))]:
            category = c.of(("update", "update", "delete"))
            self.send(
                user,
                "proposal.create",
                kind=kind,
                category=category,
                target=id,
                base_version=version,
                content=None if category == "delete" else c.of(WORDS),
            )

    def a_new_proposal(self, c: Choice, kind: str, category: str) -> None:
        target = base = None
        if category != "create" or kind == "conclusion":
            target = self.an_item(c, "criterion" if kind == "conclusion" else kind)
            field = "conclusion_version" if kind == "conclusion" else "version"
            base = max(self.version_of(c, self.model.items.get(target), field), 0)
        self.send(
            self.somebody(c),
            "proposal.create",
            kind=kind,
            category=category,
            target=target,
            base_version=base,
            content=None if category == "delete" else c.of(WORDS),
            reason=c.of((None, "r", "")),
        )

    @rule(when=has_proposals)
    def decide(self, c: Choice) -> None:
        user, id = self.an_admin(c), self.a_proposal(c)
        kind = c.of(("accept", "accept", "accept", "reject", "moderate"))
        if kind == "accept":
            stale = c.of((None, True))
            self.send(user, "proposal.accept", proposal=id, allow_stale=stale)
        else:
            self.send(user, f"proposal.{kind}", proposal=id, reason=c.of((None, "r")))

    @rule(when=has_proposals)
    def revert(self, c: Choice) -> None:
        done = [id for id, row in self.model.proposals.items() if row["status"] == "accepted"]
        id = (
            c.of([*done, *done, "nothing"])
            if c.of((True, True, True, False))
            else self.a_proposal(c)
        )
        self.send(self.an_admin(c), "proposal.revert", proposal=id, reason=c.of((None, "r")))

    @rule(when=has_proposals)
    def withdraw(self, c: Choice) -> None:
        id = self.a_proposal(c)
        self.send(self.its_author(c, id), "proposal.withdraw", proposal=id)

    @rule(when=has_proposals)
    def rebase(self, c: Choice) -> None:
        stale = [row["id"] for row in self.model.pending() if self.model.is_stale(row)]
        id = c.of([*stale * 8, self.a_proposal(c)])
        row = self.model.proposals.get(id)
        base = (self.model.version(row) if row else None) or 0
        base = c.of((base, base, base, base + 1, row["base_version"] or 0 if row else 0))
        content = c.of((None, *WORDS))
        user = self.its_author(c, id)
        self.send(user, "proposal.rebase", proposal=id, base_version=base, content=content)

    def its_author(self, c: Choice, id: str) -> str:
        row = self.model.proposals.get(id)
        return c.of([*([str(row["author"])] * 5 if row else []), self.somebody(c)])

    # --- the event and its rules

    @rule()
    def lead(self, c: Choice) -> None:
        kinds = ("start", "resume", "start", "resume", "pause", "reopen", "start", "finish")
        self.send(self.an_admin(c), f"event.{c.of(kinds)}")

    @rule()
    def set_policy(self, c: Choice) -> None:
        policy = self.a_policy(c)
        if c.of((True, True, True, False)):
            policy = self.whole(policy)
        if c.one_in(4):
            policy["membership_auto"] = c.of((True, False))
        if c.one_in(6):
            optional = ("quorum_percent", "ttl_seconds", "proposer_votes", "min_open_seconds")
            policy[c.of((*optional, "ballot"))] = None
        if c.one_in(12):
            policy["assumption"] = {"rule": c.of(("percent", "count")), "threshold": 101}
        version = self.version_of(c, self.model.event, "policy_version")
        self.send(self.an_admin(c), "event.set_policy", policy_version=version, policy=policy)

    @rule()
    def change_event(self, c: Choice) -> None:
        if c.one_in(3):
            self.send(self.an_admin(c), "event.rotate_code")
            return
        subject, most = c.of((None, None, "s", "t")), c.of((3, 2, 100, None, 4))
        self.send(self.an_admin(c), "event.update", subject=subject, max_members=most)

    def a_time(self, c: Choice, seconds: tuple[float, ...] = (20, 5, 40, 20.5, 10, 0, -1)) -> str:
        """A time for a schedule; seldom a past one."""
        return (self.system.decided_at() + timedelta(seconds=c.of(seconds))).isoformat()

    @rule()
    def set_the_times(self, c: Choice) -> None:
        held = [self.model.event[name] for name in ("starts_at", "ends_at")]
        times = [
            c.of((None, None, self.a_time(c), self.a_time(c), NULL, at.isoformat() if at else None))
            for at in held
        ]
        self.send(self.an_admin(c), "event.update", starts_at=times[0], ends_at=times[1])

    @rule()
    def edit_directly(self, c: Choice) -> None:
        user, kind = self.an_admin(c), c.of(("criterion", "assumption", "option"))
        act = c.of(("add", "edit", "remove"))
        if act == "add":
            self.send(user, f"{kind}.add", content=c.of(WORDS))
            return
        arguments: Json = {"content": c.of(WORDS)} if act == "edit" else {}
        if kind == "option":
            arguments["option"] = c.of([*self.model.options, "nothing"])
        else:
            arguments[kind] = self.an_item(c, kind)
            row = self.model.items.get(arguments[kind])
            arguments["version"] = max(self.version_of(c, row), 0)
        self.send(user, f"{kind}.{act}", **arguments)

    # --- members

    @rule()
    def join(self, c: Choice) -> None:
        code = c.of((self.model.codes[-1],) * 6 + (self.model.codes[0], "ZZZZZZ"))
        self.send(c.of((*USERS, "guest:gil")), "membership.join", code=code)

    @rule()
    def invite(self, c: Choice) -> None:
        admin, known = self.an_admin(c), list(self.model.invitations)[-4:]
        if c.one_in(3):
            self.send(admin, "invitation.revoke", invitation=c.of([*known, "i_none"]))
            return
        refs: list[Json] = [{}, {"ref": "7"}]
        people = [{"name": c.of(WORDS)} | c.of(refs) for _ in range(c.of((1, 2, 3)))]
        self.send(admin, "invitation.create", people=people)

    @rule(when=lambda machine: bool(machine.model.invitations))
    def join_by_invitation(self, c: Choice) -> None:
        """By the user's own request, with the code too, or by a user who has an account."""
        id = c.of([*list(self.model.invitations)[-4:], "i_none"])
        own = f"invited:{id.removeprefix('i_')}"
        user = c.of((own, own, *USERS))
        if user == own and c.one_in(3):
            self.send(user, "membership.join", code=self.model.codes[-1])
        else:
            self.send(user, "membership.join", invitation=id)
        if c.one_in(6):
            self.send(user, "membership.leave")

    @rule()
    def go(self, c: Choice) -> None:
        user = self.somebody(c)
        if c.one_in(3):
            self.send(user, "membership.cancel")
        else:
            heir = c.of((None, None, None, *USERS))
            self.send(user, "membership.leave", transfer_to=heir)

    @rule()
    def see_to_members(self, c: Choice) -> None:
        admin, act = self.an_admin(c), c.of(("approve", "remove", "reject", "set_role", "set_role"))
        waiting = self.model.waiting()
        user = c.of((*waiting, *waiting, *USERS, "nobody")) if act != "remove" else c.of(USERS)
        role = c.of(("admin", "member", "organiser")) if act == "set_role" else None
        closing = c.of((None, True, False)) if act == "remove" else None
        self.send(admin, f"membership.{act}", user=user, role=role, close_proposals=closing)

    @rule()
    def add_people(self, c: Choice) -> None:
        admin = self.an_admin(c)
        users = [c.of(USERS) for _ in range(c.of((1, 2, 3)))]
        names: list[Json] = [{}, {"name": c.of(WORDS)}]
        people = [{"user": user} | c.of(names) for user in users]
        self.send(admin, "membership.add", people=people)

    @rule()
    def see_to_all(self, c: Choice) -> None:
        act = c.of(("approve_all", "approve_all", "approve_all", "reject_all"))
        upto = c.of((None, None, self.model.seq, max(self.model.seq - 2, 0)))
        self.send(self.an_admin(c), f"membership.{act}", upto=upto)

    @rule()
    def rename(self, c: Choice) -> None:
        self.send(self.somebody(c), "membership.rename", name=c.of(WORDS))

    # --- ballots and comments

    @rule()
    def ballot(self, c: Choice) -> None:
        user = self.somebody(c)
        if c.one_in(5):
            self.send(user, "ballot.clear")
            return
        order = self.model.live("criterion")
        order = order[::-1] if c.one_in(2) else order
        order = order[1:] if c.one_in(10) else order
        revision = self.version_of(c, self.model.event, "criteria_rev")
        method = self.model.ballot_policy()["method"]
        if c.one_in(12):
            method = c.of(("single", "ranked"))
        option = c.of([*self.model.options, *self.model.options, "nothing"])
        options = [option, *(id for id in self.model.options if id != option)]
        options = options[: c.of((2, 1, 3))]
        held = self.model.ballots.get(user, {"revision": 0})["revision"]
        self.send(
            user,
            "ballot.submit",
            option=option if method == "single" else None,
            options=options if method != "single" else None,
            criterion_order=None if c.one_in(4) else order,
            criteria_rev=revision,
            base=c.of((None, held, 0, 1)),
        )

    @rule()
    def comment(self, c: Choice) -> None:
        user, act = self.somebody(c), c.of(("add", "add", "edit", "remove"))
        if act == "add":
            on = (
                {"proposal": self.a_proposal(c)}
                if c.one_in(2)
                else {"criterion": self.an_item(c, "criterion")}
            )
            self.send(user, "comment.add", content=c.of(WORDS), **on)
            return
        id = c.of([*list(self.model.comments)[-4:], "nothing"])
        row = self.model.comments.get(id)
        user = row["author"] if row and c.of((True, True, False)) else user
        if act == "remove":
            self.send(user, "comment.remove", comment=id)
        else:
            version = self.version_of(c, row)
            self.send(
                user, "comment.edit", comment=id, version=max(version, 0), content=c.of(WORDS)
            )

    # --- again, and time

    @rule()
    def repeat(self, c: Choice) -> None:
        """A repeated id: with the same command, another one, or another user's."""
        asked = [(user, command) for user, command in self.script if user]
        user, command = asked[-1 - c.of(range(min(len(asked), 12)))]
        command = {key: value for key, value in command.items() if key != "event"}
        id, kind = command.pop("id"), command.pop("type")
        how = c.of(("same", "same", "same", "other words", "other user"))
        if how == "other words":
            kind, command = "event.rotate_code", {}
        if kind == "event.create" and how == "other user":
            return  # which makes another event
        self.send(c.of(USERS) if how == "other user" else user, kind, id=id, **command)

    @rule()
    def wishes_age(self, c: Choice) -> None:
        """From here on commands have a deadline, or have none again."""
        self.until = c.of((None, 60, 5, 0, -1))

    @rule()
    def time_passes(self, c: Choice) -> None:
        self.system.advance(c.of((10, 5, 20, 0.0007, 9.9995)))
        if self.system.own_steps() is None:
            self.timers_ask(c)

    def timers_ask(self, c: Choice) -> None:
        for act, time in (("start", "starts_at"), ("finish", "ends_at")):
            at = self.model.event[time]
            if at is not None and c.of((True, True, False)):
                self.send("", f"event.{act}", id=f"{act}-{at:%Y%m%dT%H%M%S%fZ}")
        for row in list(self.model.proposals.values())[-4:]:
            id = row["id"]
            if c.one_in(2):
                self.send("", "proposal.expire", id=f"expire-{id}", proposal=id)
            if c.one_in(2):
                self.send("", "proposal.mature", id=f"open-{id}-{row['revision']}", proposal=id)

    @rule()
    def an_operator_sets_limits(self, c: Choice) -> None:
        if self.system.own_steps() is not None or not c.one_in(3):
            return
        limits: Json = {name: c.of((2, 1, 3, 9)) for name in LIMIT_NAMES}
        limits |= {name: c.of((3, 2, 9)) for name in ("options", "assumptions", "criteria")}
        limits["requests"] = c.of((0, 3))
        version = self.model.limits_version + c.of((1,) * 7 + (0,))
        limits |= {"version": version, "rules": RULES}
        self.send("", "event.set_limits", id=f"limits-{version}", limits=limits)
