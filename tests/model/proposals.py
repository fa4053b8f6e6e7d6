"""Proposals and votes: making, passing, closing and reverting them; and their timers."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.model.deciding import DECIDING, RUNNING, Refused, Same, named
from tests.model.items import Items
from tests.model.rows import Row, plain, present
from tests.model.terms import TERMS

UNSET = (
    *("resolution", "resolution_reason", "resolved_by", "resolved_at", "resolved_no"),
    *("resolved_seq", "decision", "stale", "opens_at", "expires_at", "item", "item_version"),
    *("reverts", "reverted_by"),
)


class Proposals(Items):
    """``proposal.*`` and ``vote.*``."""

    def proposal_create(
        self,
        kind: str,
        category: str,
        target: str | None = None,
        base_version: int | None = None,
        content: str | None = None,
        reason: str | None = None,
    ) -> Row:
        self.member()
        self.when(*RUNNING)
        if target is not None:
            concluding = kind == "conclusion"
            item = named(self.of_kind("criterion" if concluding else kind), target)
            if item["deleted"]:
                raise Refused("target_gone")
            version = item["conclusion_version" if concluding else "version"]
            if version != base_version:
                raise Refused("stale", current=version)
            if concluding and (item["conclusion"] is None) != (category == "create"):
                raise Refused("invalid_transition" if category == "create" else "target_gone")
            if any(p["author"] == self.user and p["target"] == target for p in self.pending()):
                raise Refused("limit_reached")
        if len(self.pending()) >= (limit := self.limits["pending"]):
            raise Refused("limit_reached", limit=limit, name="pending_proposals")
        own = [row for row in self.pending() if row["author"] == self.user]
        if len(own) >= (limit := self.limits["pending_each"]):
            raise Refused("limit_reached", limit=limit, name="pending_per_author")
        mine = [row for row in self.shown_proposals() if row["author"] == self.user]
        withdrawn = sum(row["resolution"] == "withdrawn" for row in mine)
        if withdrawn >= (limit := self.limits["withdrawn_each"]):
            raise Refused("limit_reached", limit=limit, name="withdrawn_per_author")
        self.begin()
        row = self.make_proposal(kind, category, target, base_version, content, reason)
        row["opens_at"] = self.after("min_open_seconds")
        row["expires_at"] = self.after("ttl_seconds")
        policy = self.event["policy"]
        row["terms"] = {k: policy[k] for k in TERMS if policy.get(k, TERMS[k]) != TERMS[k]}
        row["electorate"] = self.eligible()
        if self.event["policy"].get("proposer_votes") and self.user in self.eligible():
            self.votes[row["id"]][self.user] = {"revision": 1, "active": True, "stance": "agree"}
            self.evaluate(row)
        return {"proposal": row["id"], "revision": 1, "status": row["status"]}

    def make_proposal(
        self,
        kind: str,
        category: str,
        target: str | None,
        base_version: int | None,
        content: str | None,
        reason: str | None,
    ) -> Row:
        id = self.ids("proposals")
        self.votes[id] = {}
        self.proposals[id] = dict.fromkeys(UNSET) | {
            "id": id,
            "kind": kind,
            "category": category,
            "target": target,
            "base_version": base_version,
            "content": content,
            "reason": reason or None,
            "author": self.user,
            "status": "pending",
            "revision": 1,
            "created_at": self.now,
            "terms": {},
        }
        return self.proposals[id]

    def after(self, rule: str) -> datetime | None:
        """The time that a rule of the policy gives from now; 0 means no time."""
        seconds = self.event["policy"].get(rule)
        return self.now + timedelta(seconds=seconds) if seconds else None

    def proposal_withdraw(self, proposal: str, reason: str | None = None) -> Row:
        self.member()
        self.when(*DECIDING)
        row = self.proposals.get(proposal)
        if row and row["author"] == self.user:
            self.unless(row, "deleted", "withdrawn")
        row = self.own(proposal)
        self.still_open(row, otherwise="proposal_closed")
        return self.end(row, "deleted", "withdrawn", reason)

    def proposal_reject(self, proposal: str, reason: str | None = None) -> Row:
        return self.overrule(proposal, "rejected", "admin", reason)

    def proposal_moderate(self, proposal: str, reason: str | None = None) -> Row:
        return self.overrule(proposal, "deleted", "moderated", reason)

    def overrule(self, proposal: str, status: str, resolution: str, reason: str | None) -> Row:
        self.admin()
        self.when(*DECIDING)
        self.unless(self.proposals.get(proposal), status, resolution)
        row = named(self.proposals, proposal)
        self.still_open(row, otherwise="already_resolved")
        return self.end(row, status, resolution, reason)

    def end(self, row: Row, status: str, resolution: str, reason: str | None) -> Row:
        self.begin()
        self.close(row, status, resolution)
        row["resolution_reason"] = reason or None
        return outcome(row)

    def proposal_accept(self, proposal: str, allow_stale: bool = False) -> Row:
        self.admin()
        self.when(*DECIDING)
        self.unless(self.proposals.get(proposal), "accepted")
        row = named(self.proposals, proposal)
        self.still_open(row, otherwise="already_resolved")
        if self.is_stale(row) and not allow_stale:
            raise Refused("stale", current=self.version(row))
        self.room_to_accept(row)
        self.begin()
        self.accept(row, "admin")
        return outcome(row)

    def proposal_rebase(self, proposal: str, base_version: int, content: str | None = None) -> Row:
        self.member()
        self.when(*RUNNING)
        row = self.proposals.get(proposal)
        if row and row["author"] == self.user and row["status"] == "pending" and row["target"]:
            unchanged = base_version == row["base_version"] and content in (None, row["content"])
            if unchanged and not self.is_stale(row):
                raise Same(revision=row["revision"])
        row = self.own(proposal)
        self.still_open(row, otherwise="proposal_closed")
        if row["target"] is None:
            raise Refused("invalid_transition")
        if row["category"] == "delete" and content is not None:
            raise Refused("bad_request", path="content")
        if base_version != self.version(row):
            raise Refused("stale", current=self.version(row))
        self.begin()
        row |= {"base_version": base_version, "revision": row["revision"] + 1}
        row["electorate"] = self.eligible()
        row |= {"content": content or row["content"], "opens_at": self.after("min_open_seconds")}
        return {"revision": row["revision"]}

    def proposal_revert(self, proposal: str, reason: str | None = None) -> Row:
        self.admin()
        self.when(*DECIDING)
        row = self.proposals.get(proposal)
        if row and row["reverted_by"]:
            raise Same(proposal=row["reverted_by"], **outcome(self.proposals[row["reverted_by"]]))
        row = named(self.proposals, proposal)
        if row["status"] != "accepted":
            raise Refused("invalid_transition")
        category, target, content = self.opposite(row)
        undo = {"kind": row["kind"], "category": category, "target": target}
        self.room_to_accept(undo)
        self.begin()
        made = self.make_proposal(
            **undo, base_version=self.version(undo), content=content, reason=reason
        )
        self.accept(made, "revert")
        deleted = row["kind"] == "criterion" and row["category"] == "delete"
        if deleted and (conclusion := self.items[row["item"]]["conclusion"]) is not None:
            self.conclude(self.items[made["item"]], conclusion)
        row["reverted_by"], made["reverts"] = made["id"], row["id"]
        return {"proposal": made["id"], **outcome(made)}

    def opposite(self, row: Row) -> tuple[str, str | None, str | None]:
        """(category, target, content) of what reverts ``row``, while that is possible."""
        item, concluding = row["item"], row["kind"] == "conclusion"
        words = self.said[item, "conclusion" if concluding else "content"]
        before = words[row["item_version"] - 1]
        if row["category"] == "delete" and not concluding:
            return "create", None, before
        if self.items[item]["deleted"]:
            raise Refused("target_gone")
        if len(words) - 1 != row["item_version"]:
            raise Refused("stale", current=len(words) - 1)
        if before is None:
            return "delete", item, None
        return "create" if words[-1] is None else "update", item, before

    # --- votes

    def vote_cast(self, proposal: str, revision: int, stance: str = "agree") -> Row:
        self.voter()
        self.when(*RUNNING)
        row = named(self.proposals, proposal)
        self.still_votable(row)
        if row["revision"] != revision:
            raise Refused("revision_changed", current=row["revision"])
        if self.user not in self.electorate(row):
            raise Refused("not_eligible")
        if stance not in self.terms(row)["stances"]:
            raise Refused("bad_request", path="stance")
        if self.standing(row, self.user) and self.votes[proposal][self.user]["stance"] == stance:
            raise Same(**self.told(row), status=row["status"])
        self.begin()
        vote = {"revision": revision, "active": True, "stance": stance}
        self.votes[proposal][self.user] = vote
        self.evaluate(row)
        return self.told(row) | {"status": row["status"]}

    def vote_retract(self, proposal: str) -> Row:
        self.voter()
        self.when(*RUNNING)
        row = named(self.proposals, proposal)
        self.still_votable(row)
        if not self.standing(row, self.user):
            raise Same(**self.told(row))
        self.begin()
        self.votes[proposal][self.user]["active"] = False
        return self.told(row)

    def still_votable(self, row: Row) -> None:
        """Check that it is open, and that its close, if that decides, has not come."""
        self.still_open(row, otherwise="proposal_closed")
        if self.terms(row)["decide"] == "close" and self.now >= row["expires_at"]:
            raise Refused("proposal_closed", status="pending", at=row["expires_at"])

    # --- the server's own steps

    def proposal_expire(self, proposal: str) -> Row:
        row = self.timely(proposal)
        if row["expires_at"] is None or self.now < row["expires_at"]:
            raise Refused("not_due", final=False)
        if self.terms(row)["decide"] == "close" and self.carried(row, closing=True):
            self.begin()
            self.accept(row, "auto_votes")
        else:
            self.end(row, "rejected", "expired", None)
        return {"status": row["status"]}

    def proposal_mature(self, proposal: str) -> Row:
        row = self.timely(proposal)
        if not self.carried(row):
            raise Refused("not_due", final=False)
        self.begin()
        self.evaluate(row)
        return {"status": "accepted"}

    def timely(self, proposal: str) -> Row:
        """The proposal that a timer asks about, while it is undecided."""
        row = self.proposals.get(proposal)
        if not row or row["status"] != "pending" or self.event["status"] != "in_progress":
            raise Refused("not_due", final=False)
        return row

    # --- what becomes of a proposal

    def own(self, proposal: str) -> Row:
        row = named(self.proposals, proposal)
        if row["author"] != self.user:
            raise Refused("forbidden")
        return row

    def unless(self, row: Row | None, status: str, resolution: str | None = None) -> None:
        """Raise ``Same`` if ``row`` has that outcome already."""
        if row and row["status"] == status and resolution in (None, row["resolution"]):
            raise Same(**outcome(row))

    def still_open(self, row: Row, otherwise: str) -> None:
        if row["status"] != "pending":
            raise Refused(otherwise, **outcome(row))

    def room_to_accept(self, row: Row) -> None:
        if row["kind"] != "conclusion" and row["category"] == "create":
            self.room_for(row["kind"])

    def carried(self, row: Row, closing: bool = False) -> bool:
        """Whether its votes accept it now; if there is an item too many, it waits."""
        try:
            self.room_to_accept(row)
        except Refused:
            return False
        return self.passes(row, self.now, closing)

    def conclude(self, item: Row, content: str | None) -> None:
        item["conclusion"] = content
        item["conclusion_version"] += 1
        self.said[item["id"], "conclusion"].append(content)

    def evaluate(self, row: Row) -> bool:
        if carried := self.carried(row):
            self.accept(row, "auto_votes")
        return carried

    def evaluate_all(self) -> list[str]:
        """Look at each pending proposal once, oldest first; return the ids of those that passed."""
        rows = self.pending()
        for row in rows:
            self.evaluate(row)
        passed = [row for row in rows if row["status"] == "accepted"]
        return [row["id"] for row in sorted(passed, key=lambda row: int(row["resolved_no"]))]

    def accept(self, row: Row, resolution: str) -> None:
        """Carry it out. Rivals become stale by the version that they are based on."""
        row["stale"] = self.is_stale(row)
        if row["kind"] == "conclusion":
            item = self.items[row["target"]]
            self.conclude(item, row["content"])
        elif row["category"] == "create":
            item = self.items[self.make_item(row["kind"], row["content"])]
        else:
            item = self.items[row["target"]]
            if row["category"] == "delete":
                for other in self.pending():
                    if other["target"] == item["id"] and other is not row:
                        self.close(other, "deleted", "target_deleted")
            self.write(item, row["content"])
        version = item["conclusion_version" if row["kind"] == "conclusion" else "version"]
        row |= {"item": item["id"], "item_version": version}
        self.close(row, "accepted", resolution)
        if row["category"] == "delete":
            for other in self.pending():
                if (other["category"], other["kind"]) == ("create", row["kind"]):
                    self.evaluate(other)

    def close(self, row: Row, status: str, resolution: str) -> None:
        rule = self.event["policy"][row["kind"]]
        row["voters"] = self.voters(row)
        is_share = rule["rule"] == "share"
        asked = ("rule", "share", "more_than") if is_share else ("rule", "threshold")
        row["decision"] = self.tally(row) | {name: rule[name] for name in asked}
        row["decision"] |= {"of": self.base(row)} if is_share else {}
        row["decision"]["policy_version"] = self.event["policy_version"]
        if row["stale"] is None:
            row["stale"] = self.is_stale(row)
        who = None if resolution == "auto_votes" else self.user or None
        row |= {"status": status, "resolution": resolution, "resolved_by": who}
        row |= {"resolved_at": self.now, "resolved_seq": self.seq}
        row["resolved_no"] = sum(p["status"] != "pending" for p in self.proposals.values())


def outcome(row: Row) -> Row:
    """How a closed proposal ended: status, resolution, by, at, seq."""
    by, at, seq = row["resolved_by"], plain(row["resolved_at"]), row["resolved_seq"]
    return present(row, "status", "resolution", by=by, at=at, seq=seq)
