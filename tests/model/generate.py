"""Random steps drive a system and the model side by side, by every command there is.

Few users, few texts, small limits, so that commands interact. Ids repeat, revisions and versions
are often old, strangers try everything. Every answer is compared, the states every few steps and at
the end. A failure is made smaller, and shows the commands themselves.

Hypothesis is not used: with its own choices a step took three times as long, and many of its runs
were nearly the same.
"""

from __future__ import annotations

from persistence.event.limits import RULES
from tests.model.choice import Choice
from tests.model.machine import (
    NULL,
    USERS,
    WORDS,
    Json,
    rule,
)
from tests.model.proposal_steps import ProposalSteps
from tests.model.terms import LIMIT_NAMES


class EventMachine(ProposalSteps):
    """Every step there is; subclasses give ``system_of``."""

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
