"""Steps of the generator that are about proposals and votes."""

from __future__ import annotations

from tests.model.choice import Choice
from tests.model.machine import (
    THREE,
    WORDS,
    Json,
    Machine,
    has_proposals,
    rule,
)


class ProposalSteps(Machine):
    """Proposes, votes, decides."""

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
